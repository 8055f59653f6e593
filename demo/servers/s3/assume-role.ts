import { randomUUID } from "node:crypto";
import type { Answer, ServerState } from "./exchange";
import { xmlDocument } from "./xml";

const namespace = "https://sts.amazonaws.com/doc/2011-06-15/";

/** Answers AWS's token service: temporary credentials for a role (AWS STS: AssumeRole). */
export function assumeRole({ credentials, role }: ServerState, form: URLSearchParams): Answer {
  const arn = form.get("RoleArn") ?? "";
  const session = form.get("RoleSessionName") ?? "";
  const seconds = Number(form.get("DurationSeconds") ?? 3600);
  if (form.get("Action") !== "AssumeRole")
    return refuse(400, "InvalidAction", "Only AssumeRole is known here.");
  if (!/^arn:aws[\w-]*:iam::\d{12}:role\/\S+$/.test(arn) || !/^[\w+=,.@-]{2,64}$/.test(session)) {
    return refuse(400, "ValidationError", "RoleArn or RoleSessionName is not valid.");
  }
  if (!Number.isInteger(seconds) || seconds < 900 || seconds > 43_200) {
    return refuse(400, "ValidationError", "DurationSeconds must be from 900 to 43200.");
  }
  const allowed = !role || (role.arn === arn && (role.externalId ?? null) === form.get("ExternalId"));
  if (!allowed)
    return refuse(403, "AccessDenied", `User is not authorized to perform: sts:AssumeRole on ${arn}`);
  const { accessKeyId, secretAccessKey, sessionToken, expiresAt } = credentials.issue(seconds);
  const result = {
    Credentials: {
      AccessKeyId: accessKeyId,
      SecretAccessKey: secretAccessKey,
      SessionToken: sessionToken,
      Expiration: expiresAt.toISOString(),
    },
    AssumedRoleUser: {
      Arn: `${arn.replace(":role/", ":assumed-role/")}/${session}`,
      AssumedRoleId: `AROA:${session}`,
    },
  };
  const children = { AssumeRoleResult: result, ResponseMetadata: { RequestId: randomUUID() } };
  return {
    headers: { "content-type": "text/xml" },
    body: xmlDocument("AssumeRoleResponse", children, namespace),
  };
}

function refuse(status: number, Code: string, Message: string): Answer {
  const children = { Error: { Type: "Sender", Code, Message }, RequestId: randomUUID() };
  return {
    status,
    headers: { "content-type": "text/xml" },
    body: xmlDocument("ErrorResponse", children, namespace),
  };
}
