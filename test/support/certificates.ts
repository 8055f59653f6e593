import { generate } from "selfsigned";

/** PEM texts. */
export interface CertificatePair {
  key: string;
  cert: string;
}

/** A certificate authority of our own and what it signs. */
export interface TestAuthority {
  /** PEM, to be trusted by a client. */
  readonly ca: string;
  issue(options?: ServerCertificateOptions): Promise<CertificatePair>;
}

export interface ServerCertificateOptions {
  /** Default: localhost, 127.0.0.1 and ::1. */
  hosts?: readonly string[];
  notBefore?: Date;
  /** Default: in a year. In the past for an expired certificate. */
  notAfter?: Date;
}

const localHosts = ["localhost", "127.0.0.1", "::1"];
const dayMs = 24 * 3600 * 1000;
const keyOptions = { keyType: "ec", curve: "P-256", algorithm: "sha256" } as const;

export async function createAuthority(): Promise<TestAuthority> {
  const authority = await generate([{ name: "commonName", value: "Test Authority" }], {
    ...keyOptions,
    // Yesterday: clocks differ a little.
    notBeforeDate: new Date(Date.now() - dayMs),
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", keyCertSign: true, digitalSignature: true, critical: true },
    ],
  });
  return {
    ca: authority.cert,
    async issue({ hosts = localHosts, notBefore, notAfter } = {}) {
      const issued = await generate([{ name: "commonName", value: hosts[0] ?? "localhost" }], {
        ...keyOptions,
        notBeforeDate: notBefore ?? new Date(Date.now() - dayMs),
        notAfterDate: notAfter ?? new Date(Date.now() + 365 * dayMs),
        extensions: serverExtensions(hosts),
        ca: { key: authority.private, cert: authority.cert },
      });
      return { key: issued.private, cert: issued.cert };
    },
  };
}

/** A certificate that nobody vouches for. */
export async function selfSignedCertificate(hosts: readonly string[] = localHosts): Promise<CertificatePair> {
  const issued = await generate([{ name: "commonName", value: hosts[0] ?? "localhost" }], {
    ...keyOptions,
    notBeforeDate: new Date(Date.now() - dayMs),
    extensions: serverExtensions(hosts),
  });
  return { key: issued.private, cert: issued.cert };
}

function serverExtensions(hosts: readonly string[]) {
  return [
    { name: "basicConstraints" as const, cA: false },
    { name: "keyUsage" as const, digitalSignature: true },
    { name: "extKeyUsage" as const, serverAuth: true },
    { name: "subjectAltName" as const, altNames: hosts.map(altName) },
  ];
}

function altName(host: string) {
  const isAddress = host.includes(":") || /^[\d.]+$/.test(host);
  return isAddress ? { type: 7 as const, ip: host } : { type: 2 as const, value: host };
}
