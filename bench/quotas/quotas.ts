/** The default quotas of Amazon ECR, in calls a second of one account in one region (ECR user guide, "Service quotas"). */
export const quotas = {
  GetAuthorizationToken: 500,
  BatchCheckLayerAvailability: 1000,
  BatchGetImage: 2000,
  GetDownloadUrlForLayer: 3000,
  InitiateLayerUpload: 100,
  UploadLayerPart: 500,
  CompleteLayerUpload: 100,
  PutImage: 10,
  /** No published quota: what PutImage makes is deleted again, so that deletes go on beside everything else. */
  BatchDeleteImage: 10,
} as const;

export type Operation = keyof typeof quotas;
export const operations = Object.keys(quotas) as Operation[];
