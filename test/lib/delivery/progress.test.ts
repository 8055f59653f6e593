import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { type Progress, trackProgress } from "../../../src/lib";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

test("adds up, and reports at most four times a second", () => {
  const reports: Progress[] = [];
  const onBytes = trackProgress(1_000, (progress) => reports.push(progress));
  for (let n = 0; n < 100; n++) {
    vi.advanceTimersByTime(10);
    onBytes(10);
  }
  expect(reports).toEqual([
    { bytes: 250, total: 1_000, bytesPerSecond: 1_000 },
    { bytes: 500, total: 1_000, bytesPerSecond: 1_000 },
    { bytes: 750, total: 1_000, bytesPerSecond: 1_000 },
    { bytes: 1_000, total: 1_000, bytesPerSecond: 1_000 },
  ]);
});

test("reports the speed since the start, also of an unknown total", () => {
  const reports: Progress[] = [];
  const onBytes = trackProgress(undefined, (progress) => reports.push(progress));
  vi.advanceTimersByTime(2_000);
  onBytes(3_001);
  onBytes(1);
  expect(reports).toEqual([{ bytes: 3_001, total: undefined, bytesPerSecond: 1_501 }]);
});
