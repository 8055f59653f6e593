import type { S3ClientConfig } from "@aws-sdk/client-s3";
import { codeOf, DeliveryError } from "../../errors";
import type { S3ConnectionOptions } from "./options";

type Credentials = NonNullable<S3ClientConfig["credentials"]>;

/**
 * What the SDK signs with; undefined leaves it to the SDK's default chain.
 * @throws DeliveryError `invalid` when a role is to be assumed and the package for it is not installed
 */
export async function s3Credentials(options: S3ConnectionOptions): Promise<Credentials | undefined> {
  const keys = givenKeys(options);
  if (options.authentication !== "role" || options.roleArn === undefined) return keys;
  const { fromTemporaryCredentials } = await importOptionalPeer(
    "@aws-sdk/credential-providers",
    "assume a role",
    () => import("@aws-sdk/credential-providers"),
  );
  return fromTemporaryCredentials({
    ...(keys && { masterCredentials: keys }),
    clientConfig: {
      region: options.region,
      // Of its own: the connection's authority vouches for the store, not for Amazon's token service.
      requestHandler: {
        connectionTimeout: options.connectTimeoutMs,
        requestTimeout: options.idleTimeoutMs,
        throwOnRequestTimeout: true,
      },
    },
    params: {
      RoleArn: options.roleArn,
      RoleSessionName: "data-distribution",
      ...(options.roleExternalId !== undefined && { ExternalId: options.roleExternalId }),
    },
  });
}

function givenKeys({ accessKeyId, secretAccessKey, sessionToken }: S3ConnectionOptions) {
  if (accessKeyId === undefined || secretAccessKey === undefined) return undefined;
  return { accessKeyId, secretAccessKey, ...(sessionToken !== undefined && { sessionToken }) };
}

/**
 * Imports a package that only some users need.
 * @param purpose ends the sentence "… is needed to"
 * @throws DeliveryError `invalid` that says what to install
 */
export async function importOptionalPeer<T>(
  name: string,
  purpose: string,
  load: () => Promise<T>,
): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const code = codeOf(error);
    if (code !== "MODULE_NOT_FOUND" && code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new DeliveryError(
      "invalid",
      `The package ${name} is needed to ${purpose}. Install it beside this one: npm install ${name}`,
      { code, cause: error },
    );
  }
}
