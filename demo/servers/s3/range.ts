import { S3Error } from "./errors";

/**
 * Reads `Range: bytes=0-99` (RFC 9110 §14.1.2). Like Amazon S3, ignores what is not one range of bytes.
 * @returns inclusive start, exclusive end
 * @throws S3Error InvalidRange
 */
export function readRange(
  header: string | undefined,
  bytes: number,
): { start: number; end: number } | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? "");
  const [, first = "", last = ""] = match ?? [];
  if (first === "" && last === "") return undefined;
  const start = first === "" ? Math.max(bytes - Number(last), 0) : Number(first);
  const end = first === "" || last === "" ? bytes : Math.min(Number(last) + 1, bytes);
  if (first !== "" && last !== "" && Number(last) < Number(first)) return undefined;
  if (start >= end) throw new S3Error("InvalidRange", undefined, { ActualObjectSize: String(bytes) });
  return { start, end };
}
