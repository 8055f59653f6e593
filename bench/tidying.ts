import { createHash, randomUUID } from "node:crypto";
import { mkdir, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { createSpool, type DeliveryDraft, type DeliveryStore, type Receipt } from "../src/lib";
import { cleanSpools, forgetOld } from "../src/nodes/shared/engine";

const kept = 10_000;
const atOnce = 500;
/** What a store in memory keeps of what has ended. */
const keptAfterwards = 1_000;
const dayMs = 86_400_000;
const writer = { id: "writer", type: "delivery-s3-writer", name: "to S3" };

/**
 * How long the event loop stands still at most while a store is tidied and looked at that keeps 10,000
 * deliveries, all of which have ended, with messages of this size; and how long that takes in all.
 * @param folder an empty one, for a spool
 */
export async function tidy(store: DeliveryStore, folder: string, messageBytes: number) {
  const spool = createSpool({ folder, maxAgeMs: dayMs });
  await putOldContent(folder);
  for (let filled = 0; filled < kept; filled += atOnce) await fill(store, messageBytes);
  const engine = { store, spool, keepSource: async () => Promise.reject(new Error("not used")) };
  const forget = (deliveries: number) => forgetOld([engine], { ageMs: dayMs, bytes: Infinity, deliveries });
  const works: Record<string, () => Promise<unknown>> = {
    nothing: () => sleep(500),
    look: () => store.list({}, { limit: 100 }),
    lookForUntold: () => store.list({ announced: false }),
    forgetNone: () => forget(kept),
    clean: () => cleanSpools([engine]),
    forgetMost: () => forget(keptAfterwards),
  };
  const figures: Record<string, number> = {};
  for (const [name, work] of Object.entries(works)) Object.assign(figures, await measure(name, work));
  return figures;
}

async function measure(name: string, work: () => Promise<unknown>): Promise<Record<string, number>> {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  // The garbage of what was before is not of this, and it counts from its second look on.
  await sleep(200);
  delay.enable();
  await sleep(20);
  delay.reset();
  await sleep(20);
  const startedMs = performance.now();
  await work();
  const tookMs = performance.now() - startedMs;
  // What stands still at the end is noticed after it.
  await sleep(20);
  delay.disable();
  return { [`${name}Ms`]: tookMs, [`${name}StandstillMs`]: delay.max / 1e6 };
}

/** Only when there is something old does a spool ask what is still needed. */
async function putOldContent(folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const file = join(folder, createHash("sha256").update("old").digest("hex"));
  await writeFile(file, "old");
  const old = new Date(Date.now() - 2 * dayMs);
  await utimes(file, old, old);
}

async function fill(store: DeliveryStore, messageBytes: number): Promise<void> {
  await Promise.all(Array.from({ length: atOnce }, () => store.accept(draftOf(messageBytes))));
  const claims = await store.claim(writer.id, "bench", atOnce);
  const attempt = { n: 1, startedAt: Date.now(), elapsedMs: 5 };
  await Promise.all(
    claims.map(async (claim) => {
      const settled = await store.settle(claim, { state: "delivered", attempt, receipt });
      await store.markAnnounced(claim.delivery.id, settled?.version ?? 0);
    }),
  );
}

const receipt: Receipt = {
  location: "s3://reports/2026/report.txt",
  outcome: "delivered",
  bytes: 1_000,
  sha256: createHash("sha256").update("").digest("hex"),
  verified: "checksum",
  notes: [],
};

/** A message of many values, as flows have them. */
function draftOf(messageBytes: number): DeliveryDraft {
  const id = randomUUID();
  const lines: object[] = [];
  for (let n = 0; n * 100 < messageBytes; n++) {
    lines.push({ n, article: `${id}-${n}`, text: "a line of an order", price: 12.5 });
  }
  return {
    id,
    writer,
    source: {
      kind: "spool",
      name: "report.txt",
      size: 1,
      sha256: createHash("sha256").update(id).digest("hex"),
    },
    target: `reports/2026/${id}.txt`,
    location: `s3://reports/2026/${id}.txt`,
    contentType: "text/plain",
    metadata: { title: "Report" },
    attributes: {},
    message: { message: { _msgid: id, topic: "report", payload: lines }, large: [], property: "delivery" },
  };
}
