/**
 * Shares one sync among all who wait for one. A sync takes about as long for a hundred commits as for one, so whoever
 * asks while one is running waits for the next, together with everybody else who came meanwhile.
 */
export class GroupSync {
  readonly #sync: () => Promise<void>;
  #running: Promise<void> = Promise.resolve();
  #next: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(sync: () => Promise<void>) {
    this.#sync = sync;
  }

  /**
   * Resolves when a sync that began after this call has ended well. A failed sync may have dropped what it should have
   * written, and the next one would not tell: after a failure every call fails, until the database is opened again.
   */
  settle(): Promise<void> {
    this.#next ??= this.#running.then(() => this.#run());
    return this.#next;
  }

  async #run(): Promise<void> {
    if (this.#failure) throw this.#failure.error;
    const synced = this.#sync();
    // From here on, what is asked for may have come too late for this sync.
    this.#next = undefined;
    this.#running = synced.catch((error) => {
      this.#failure = { error };
    });
    await synced;
  }
}
