export interface Progress {
  /** Sent in this attempt. */
  bytes: number;
  /** In bytes, when it is known. */
  total: number | undefined;
  /** Since the attempt's start. */
  bytesPerSecond: number;
}

/** More often than this, nobody can read it. */
const reportEveryMs = 250;

/**
 * Adds up what was sent and reports it at most four times a second.
 * @returns what to call with the bytes sent since the last call
 */
export function trackProgress(
  total: number | undefined,
  report: (progress: Progress) => void,
): (bytes: number) => void {
  const startedMs = performance.now();
  let reportedMs = startedMs;
  let sent = 0;
  return (bytes) => {
    sent += bytes;
    const nowMs = performance.now();
    if (nowMs - reportedMs < reportEveryMs) return;
    reportedMs = nowMs;
    report({ bytes: sent, total, bytesPerSecond: Math.round(sent / ((nowMs - startedMs) / 1_000)) });
  };
}
