import { expect, test } from "vitest";
import { createMemoryStore, type SourceSpec } from "../../../src/lib";
import { attempt, draftOf, receipt } from "./contract";

async function delivered(source: SourceSpec) {
  const store = createMemoryStore();
  const { delivery } = await store.accept(draftOf({ source, message: { payload: "large" } }));
  const [claim] = await store.claim("writer", "owner", 1);
  if (!claim) throw new Error("Nothing was due.");
  const settled = await store.settle(claim.lease, { state: "delivered", attempt, receipt });
  return { store, id: delivery.id, version: settled?.version ?? 0 };
}

const sources: SourceSpec[] = [
  { kind: "text", name: "a.txt", text: "content", size: 7 },
  { kind: "bytes", name: "a.bin", bytes: Buffer.from("content"), size: 7 },
];

test.each(sources)(
  "lets go of content and message once a $kind was delivered and announced",
  async (source) => {
    const { store, id, version } = await delivered(source);
    expect(await store.get(id)).toMatchObject({ source, message: { payload: "large" } });
    await store.markAnnounced(id, version);
    const record = await store.get(id);
    expect(JSON.stringify(record?.source)).not.toContain("content");
    expect(record).toMatchObject({ receipt, source: { kind: source.kind, name: source.name, size: 7 } });
    expect(record).not.toHaveProperty("message");
  },
);

test("of two that change a delivery at once, one wins, and the other is told", async () => {
  const store = createMemoryStore();
  const { delivery } = await store.accept(draftOf());
  const [claims, cancelled] = await Promise.all([
    store.claim("writer", "owner", 1),
    store.cancel(delivery.id, { kind: "cancelled", message: "No.", retryable: false }),
  ]);
  expect(claims.length + (cancelled ? 1 : 0)).toBe(1);
  const state = cancelled ? "cancelled" : "sending";
  expect(await store.get(delivery.id)).toMatchObject({ state });
});
