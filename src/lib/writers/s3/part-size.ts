const mebibyte = 1024 * 1024;

/** AWS: Amazon S3 multipart upload limits. */
const maxParts = 10_000;
const maxPartBytes = 5 * 1024 * mebibyte;
/** Content of unknown length: the part size doubles after this many parts. */
const partsPerStep = 900;

/**
 * The size of the n-th part, counted from 1, so that the content fits into 10,000 parts.
 * All parts of content of a known size are equally long: some stores insist on that.
 */
export function partSizeFor(n: number, preferredBytes: number, size: number | undefined): number {
  if (size === undefined) {
    return Math.min(maxPartBytes, preferredBytes * 2 ** Math.floor((n - 1) / partsPerStep));
  }
  const needed = Math.ceil(size / maxParts / mebibyte) * mebibyte;
  return Math.max(preferredBytes, needed);
}
