/** What supervisor and workers say to each other, over the channel that is closed when either of them is gone. */

export type ToWorker =
  /** Begins its work. The supervisor alone reads settings, so that a worker that is started again has the same ones. */
  | { readonly kind: "begin"; readonly task: unknown }
  /** Its task has changed in a way that it can follow while it works. */
  | { readonly kind: "change"; readonly task: unknown }
  /** Asks for the worker's counters. */
  | { readonly kind: "count"; readonly id: number }
  /** Finishes what is in flight and ends. */
  | { readonly kind: "stop" };

export type ToSupervisor =
  | { readonly kind: "listening" }
  /** It cannot begin. The reason is for the operator. It waits to be ended, so that this is not lost. */
  | { readonly kind: "failed"; readonly reason: string }
  /** Counters, as an answer or, with id 0, as a farewell. */
  | { readonly kind: "counted"; readonly id: number; readonly counted: unknown };
