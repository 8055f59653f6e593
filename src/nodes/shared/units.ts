/** Dialogs speak in seconds, hours and percent; the library in milliseconds and shares. */
export const msPerSecond = 1_000;
export const msPerMinute = 60_000;
export const secondsPerHour = 3_600;
export const bytesPerMebibyte = 1_048_576;
