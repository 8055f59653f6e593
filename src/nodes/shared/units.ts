/**
 * Dialogs speak in seconds, hours and percent; the library in milliseconds and shares. What is unset, or
 * not a number at all, is handed on as it is: the library's reader knows what to say about it.
 */
export function scaled(value: unknown, factor: number): unknown {
  if (value === undefined || value === null || value === "") return undefined;
  const number = Number(value);
  return Number.isFinite(number) ? number * factor : value;
}

export const msPerSecond = 1_000;
export const msPerMinute = 60_000;
export const secondsPerHour = 3_600;
export const bytesPerMebibyte = 1_048_576;
