import { X509Certificate } from "node:crypto";
import type { OptionReader } from "./options";

/** The option `ca`: the authorities that may have signed the other side's certificate, in PEM. */
export function readAuthorities(options: OptionReader): string | undefined {
  const ca = options.optionalString("ca");
  if (ca === undefined) return undefined;
  const certificates = ca.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? [];
  try {
    for (const certificate of certificates) new X509Certificate(certificate);
  } catch {
    certificates.length = 0;
  }
  // Node.js would silently ignore what it cannot read, and then trust nobody.
  if (certificates.length === 0) options.problem("ca must hold certificates in PEM format");
  return ca;
}
