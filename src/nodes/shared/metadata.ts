import { DeliveryError } from "../../lib";

/**
 * `msg.metadata` as names and texts. What is null or undefined is left out.
 * @throws DeliveryError `invalid` for anything but a flat object
 */
export function readMetadata(metadata: unknown): Record<string, string> {
  if (metadata === undefined || metadata === null) return {};
  if (typeof metadata !== "object" || Array.isArray(metadata)) {
    throw new DeliveryError("invalid", "msg.metadata must be an object of names and texts.");
  }
  const entries = Object.entries(metadata).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(
    entries.map(([name, value]) => {
      if (value instanceof Date && !Number.isNaN(value.getTime())) return [name, value.toISOString()];
      if (typeof value === "object" || typeof value === "function") {
        throw new DeliveryError("invalid", `msg.metadata.${name} must be text, not an object.`);
      }
      return [name, String(value)];
    }),
  );
}
