/** What ECR says of the parts of a layer (ECR user guide, "Service quotas"). */
export const uploadParts = {
  advisedBytes: 10 * 1024 * 1024,
  /** All parts but the last; found out when the upload is completed. */
  minimumBytes: 5 * 1024 * 1024,
  /** The model's limit for one request. */
  maximumBytes: 20_971_520,
  maximumCount: 4200,
} as const;
