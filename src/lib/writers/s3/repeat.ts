import { setTimeout as sleep } from "node:timers/promises";
import type { DeliveryError } from "../../errors";

/** Before the second and the third try, each up to half as long again, so that many do not come at once. */
const waitsMs = [100, 500];
/** Who is to wait longer than this gives way to other deliveries meanwhile. */
const longestHintMs = 2_000;

export interface Repetition {
  signal: AbortSignal;
  explain: (error: unknown) => DeliveryError;
  /** Called before each further try with what the last one failed of. */
  onRepeat?: ((error: unknown) => void) | undefined;
}

/**
 * Sends one request up to three times, so that a lost connection or a busy answer does not end a long upload.
 * The SDK would do that too, but tell nobody. The request must be one that can be sent twice.
 * @throws whatever the last try threw
 */
export async function sendRepeatedly<T>(
  send: () => Promise<T>,
  { signal, explain, onRepeat }: Repetition,
): Promise<T> {
  for (let n = 0; ; n++) {
    try {
      return await send();
    } catch (error) {
      const explained = explain(error);
      const waitMs = passes(explained) ? waitBefore(n, explained) : undefined;
      if (waitMs === undefined || signal.aborted) throw error;
      onRepeat?.(error);
      await sleep(waitMs, undefined, { signal });
    }
  }
}

/** Whether the same request may work in a moment. What is limited to some attempts is left to those. */
function passes({ kind, code, maxAttempts }: DeliveryError): boolean {
  // The client has set its clock by the answer.
  if (code === "RequestTimeTooSkewed") return true;
  const lost = code === "NoSuchUpload" || code === "InvalidPart" || code === "InvalidPartOrder";
  return (kind === "unavailable" || kind === "throttled") && maxAttempts === undefined && !lost;
}

function waitBefore(n: number, { retryAfterMs = 0 }: DeliveryError): number | undefined {
  const waitMs = waitsMs[n];
  if (waitMs === undefined || retryAfterMs > longestHintMs) return undefined;
  return Math.max(retryAfterMs, waitMs * (1 + Math.random() / 2));
}
