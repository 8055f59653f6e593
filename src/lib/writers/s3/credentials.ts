import type { S3ClientConfig } from "@aws-sdk/client-s3";
import { importOptionalPeer } from "../../optional-peer";
import { tokenServiceAgents } from "./agents";
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
      requestHandler: {
        ...tokenServiceAgents(),
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
