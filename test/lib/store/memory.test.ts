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

test("keeps the message as it is: it is the caller's own", async () => {
  const store = createMemoryStore();
  const message = { payload: { callback: () => 1 } };
  const { delivery } = await store.accept(draftOf({ message }));
  expect(delivery.message).toBe(message);
});

test("a listener that cancels while others are claimed keeps what it cancelled from being sent", async () => {
  const store = createMemoryStore();
  const [first, second] = [await store.accept(draftOf()), await store.accept(draftOf())];
  store.onChange(({ id, state }) => {
    if (id !== first.delivery.id || state !== "sending") return;
    void store.cancel(second.delivery.id, { kind: "cancelled", message: "No.", retryable: false });
  });
  const claims = await store.claim("writer", "owner", 2);
  expect(claims.map(({ delivery }) => delivery.id)).toEqual([first.delivery.id]);
  expect(await store.get(second.delivery.id)).toMatchObject({ state: "cancelled" });
});
