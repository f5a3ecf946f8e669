import type { RegistryScanningConfiguration, RegistryScanningRule } from "@aws-sdk/client-ecr";
import { z } from "zod";
import type { ScanningConfiguration } from "../../domain/registry/scanning-ports.ts";
import { mustMatch } from "../input.ts";

/** What ECR takes and shows of a scanning configuration (ECR API reference, "Data Types"). */

const filterPattern = "^[a-z0-9*](?:[._\\-/a-z0-9*]?[a-z0-9*]+)*$";
/** Takes the same filters. The model's expression can be matched in exponentially many ways. */
const filterForm = /^[a-z0-9*](?:[._\-/]?[a-z0-9*])*$/;

export const ScanType = z.enum(["BASIC", "ENHANCED"]);

export const ScanningRules = z
  .array(
    z.object({
      scanFrequency: z.enum(["SCAN_ON_PUSH", "CONTINUOUS_SCAN", "MANUAL"]),
      repositoryFilters: z
        .array(
          z.object({
            filter: z.string().min(1).max(255).regex(filterForm, mustMatch(filterPattern)),
            filterType: z.enum(["WILDCARD"]),
          }),
        )
        .max(100),
    }),
  )
  .max(2);

/** What is left out is as in a registry that was never configured. */
export function scanningOf(
  scanType: z.output<typeof ScanType> = "BASIC",
  rules: z.output<typeof ScanningRules> = [],
): ScanningConfiguration {
  return {
    scanType,
    rules: rules.map(({ scanFrequency: frequency, repositoryFilters }) => ({
      frequency,
      filters: repositoryFilters.map(({ filter }) => filter),
    })),
  };
}

export function scanningView({ scanType, rules }: ScanningConfiguration): RegistryScanningConfiguration {
  return {
    scanType,
    rules: rules.map(
      ({ frequency: scanFrequency, filters }): RegistryScanningRule => ({
        scanFrequency,
        repositoryFilters: scanFiltersView(filters),
      }),
    ),
  };
}

export function scanFiltersView(filters: readonly string[]) {
  return filters.map((filter) => ({ filter, filterType: "WILDCARD" as const }));
}
