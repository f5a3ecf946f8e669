import { ecrQuotas } from "../../src/domain/rates.ts";

/** The default quotas of Amazon ECR, in calls a second of one account in one region. */
export const quotas = {
  ...ecrQuotas,
  /** No published quota: what PutImage makes is deleted again, so that deletes go on beside everything else. */
  BatchDeleteImage: 10,
} as const;

export type Operation = keyof typeof quotas;
export const operations = Object.keys(quotas) as Operation[];
