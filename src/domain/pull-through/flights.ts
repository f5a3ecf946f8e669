import { Refusal } from "../errors.ts";

/** Work that all share who want the same at the same moment. */
export interface Flights<Result> {
  /** What one of them was not allowed to do, the others do for themselves. */
  share(key: string, work: () => Promise<Result>): Promise<Result>;
}

export function createFlights<Result>(): Flights<Result> {
  const flights = new Map<string, Promise<Result>>();
  return {
    async share(key, work) {
      for (let flight = flights.get(key); flight; flight = flights.get(key)) {
        try {
          return await flight;
        } catch (error) {
          // It was refused to whoever began it, whose permissions are not ours.
          if (!(error instanceof Refusal && (error.is("AccessDenied") || error.is("RepositoryNotFound")))) throw error;
          if (flights.get(key) === flight) flights.delete(key);
        }
      }
      const own = work();
      flights.set(key, own);
      try {
        return await own;
      } finally {
        if (flights.get(key) === own) flights.delete(key);
      }
    },
  };
}
