import { randomBytes } from "node:crypto";
import { S3Error } from "./errors";

export interface Credentials {
  accessKeyId: string;
  secretAccessKey: string;
  /** Of temporary credentials only. */
  sessionToken?: string;
  expiresAt?: Date;
}

/** Whom the server knows. */
export interface CredentialStore {
  /** @throws S3Error InvalidAccessKeyId, InvalidToken, ExpiredToken */
  secretOf(accessKeyId: string, sessionToken: string | undefined): string;
  /** Makes temporary credentials. */
  issue(lifetimeSeconds: number): Required<Credentials>;
}

export function createCredentialStore(permanent: Credentials): CredentialStore {
  const known = new Map<string, Credentials>([[permanent.accessKeyId, permanent]]);
  return {
    secretOf(accessKeyId, sessionToken) {
      const credentials = known.get(accessKeyId);
      if (!credentials) throw new S3Error("InvalidAccessKeyId", undefined, { AWSAccessKeyId: accessKeyId });
      if (credentials.sessionToken !== sessionToken) throw new S3Error("InvalidToken");
      if (credentials.expiresAt && credentials.expiresAt.getTime() <= Date.now()) {
        throw new S3Error("ExpiredToken");
      }
      return credentials.secretAccessKey;
    },
    issue(lifetimeSeconds) {
      const credentials = {
        accessKeyId: `ASIA${randomBytes(8).toString("hex").toUpperCase()}`,
        secretAccessKey: randomBytes(30).toString("base64"),
        sessionToken: randomBytes(60).toString("base64"),
        expiresAt: new Date(Date.now() + lifetimeSeconds * 1000),
      };
      known.set(credentials.accessKeyId, credentials);
      return credentials;
    },
  };
}
