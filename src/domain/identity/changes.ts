/**
 * Told after a change of identities was committed. Whoever keeps answers for a moment forgets them, so that this
 * process sees its own change at once; others see it within a second.
 */
export interface IdentityChanges {
  /** An access key came, went or was switched. */
  key(accessKeyId: string): void;
  /** A user or role, or what it may do. Without its unique id: perhaps everybody, as when a group changes. */
  identity(uniqueId?: string): void;
}
