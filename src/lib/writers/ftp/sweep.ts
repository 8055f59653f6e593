import { parentOf } from "./remote-files";
import { retrieve } from "./retrieve";
import type { FtpSession } from "./session";

/** Longer than a delivery waits as a rule; and should one wait longer, it is only sent from the start. */
const staleAfterMs = 24 * 60 * 60 * 1000;
const everyMs = 24 * 60 * 60 * 1000;
/** Deliveries that each have a folder of their own must not each pay for a look at it. */
const restMs = 60_000;
/** Listing more would keep a delivery waiting. */
const mostListedBytes = 4 * 1024 * 1024;

/** Names that `hiddenName` makes. */
const ourTemporary = /^\.[0-9a-f]{32}\.part$/;

/**
 * Removes temporary files in the folder of `path` that nobody has written to for a day: those of deliveries
 * that were given up after they had been kept to be resumed, or whose process was killed and never came
 * back. Looks at each folder once a day, and only where the server tells times that can be relied on (MLSD,
 * RFC 3659 §7). What goes wrong here is no concern of anybody's delivery.
 */
export async function sweep(session: FtpSession, path: string, now = Date.now()): Promise<void> {
  const { swept } = session.context.facts;
  const folder = parentOf(path);
  if (!session.features.has("MLST") || now - (swept.get(folder) ?? 0) < everyMs) return;
  const latest = [...swept.values()].at(-1) ?? 0;
  if (now - latest < restMs) return;
  swept.delete(folder);
  swept.set(folder, now);
  if (swept.size > 1000) swept.delete([...swept.keys()][0] ?? folder);
  try {
    for (const name of await staleNames(session, folder, now)) {
      await session.ask(`DELE ${folder}/${name}`, "remove", { path: `${folder}/${name}` });
    }
  } catch {
    // A session that broke is in doubt and goes away; the delivery is at its place already.
  }
}

async function staleNames(session: FtpSession, folder: string, now: number): Promise<string[]> {
  let listing = "";
  const collect = (chunk: Uint8Array) => {
    listing += Buffer.from(chunk).toString("latin1");
    if (listing.length > mostListedBytes) throw new Error("The folder is too large to be looked through.");
  };
  await retrieve(session, `MLSD ${folder === "" ? "/" : folder}`, folder, collect);
  return listing.split(/\r?\n/).flatMap((line) => {
    const space = line.indexOf(" ");
    const name = line.slice(space + 1);
    const modified = /(?:^|;)modify=(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)/i.exec(line.slice(0, space));
    if (!ourTemporary.test(name) || !modified) return [];
    const [year = 0, month = 1, ...rest] = modified.slice(1).map(Number);
    return now - Date.UTC(year, month - 1, ...rest) > staleAfterMs ? [name] : [];
  });
}
