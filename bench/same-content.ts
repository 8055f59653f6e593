import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";

const readBytes = 1024 * 1024;

/** @throws Error when the two files differ */
export async function expectSameContent(one: string, other: string): Promise<void> {
  const digest = async (path: string) => {
    const hash = createHash("sha256");
    await pipeline(createReadStream(path, { highWaterMark: readBytes }), hash);
    return hash.digest("hex");
  };
  if ((await digest(one)) !== (await digest(other))) throw new Error(`${other} differs.`);
}
