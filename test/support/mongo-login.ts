import { createHash, createHmac, pbkdf2Sync, randomBytes, timingSafeEqual } from "node:crypto";
import { BSON, type Document } from "mongodb";
import { CommandError } from "./mongo-documents";

const iterations = 4_096;

/** The server's side of SCRAM-SHA-256 (RFC 5802, RFC 7677) on one connection. */
export function createLogin(user: string, password: string) {
  const salt = randomBytes(16);
  const salted = pbkdf2Sync(password, salt, iterations, 32, "sha256");
  const sign = (key: Buffer, text: string) => createHmac("sha256", key).update(text).digest();
  const clientKey = sign(salted, "Client Key");
  const storedKey = createHash("sha256").update(clientKey).digest();
  let begun: { nonce: string; messages: string } | undefined;
  let done = user === "";

  const refuse = () => new CommandError(18, "AuthenticationFailed", "Authentication failed.");
  const answer = (payload: string, isDone: boolean): Document => ({
    conversationId: 1,
    done: isDone,
    payload: new BSON.Binary(Buffer.from(payload)),
    ok: 1,
  });
  const fieldsOf = (message: string) =>
    Object.fromEntries(message.split(",").map((part) => [part[0], part.slice(2)]));

  return {
    isDone: () => done,
    start(payload: string): Document {
      const bare = payload.replace(/^n,,/, "");
      const fields = fieldsOf(bare);
      if (fields.n?.replaceAll("=2C", ",").replaceAll("=3D", "=") !== user) throw refuse();
      const nonce = `${fields.r}${randomBytes(12).toString("base64")}`;
      const first = `r=${nonce},s=${salt.toString("base64")},i=${iterations}`;
      begun = { nonce, messages: `${bare},${first}` };
      return answer(first, false);
    },
    go(payload: string): Document {
      const fields = fieldsOf(payload);
      if (!begun || fields.r !== begun.nonce) throw refuse();
      const messages = `${begun.messages},c=${fields.c},r=${fields.r}`;
      const signature = sign(storedKey, messages);
      const proof = Buffer.from(fields.p ?? "", "base64");
      const expected = clientKey.map((byte, at) => byte ^ (signature[at] ?? 0));
      if (proof.length !== expected.length || !timingSafeEqual(proof, expected)) throw refuse();
      done = true;
      return answer(`v=${sign(sign(salted, "Server Key"), messages).toString("base64")}`, true);
    },
  };
}
