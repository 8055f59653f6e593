/** What to call content that came in a message and has no name of its own. */
export function payloadName(payload: unknown): string {
  if (payload instanceof Uint8Array) return "payload.bin";
  return typeof payload === "string" ? "payload.txt" : "payload.json";
}
