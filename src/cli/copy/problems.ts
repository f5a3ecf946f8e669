/**
 * An image, or all of it, cannot be copied. The message is for whoever asked for it.
 * - "broken": what came is not what it should be; asking again may help once, when it was spoilt on its way
 * - "missing": it is not there
 * - "unusable": it is there, and no copy of it can be made
 */
export class CopyFailed extends Error {
  override readonly name = "CopyFailed";
  constructor(
    message: string,
    readonly why: "broken" | "missing" | "unusable" = "unusable",
  ) {
    super(message);
  }
}
