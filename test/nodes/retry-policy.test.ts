import { describe, expect, test } from "vitest";
import { quick, useRetry } from "./support/flows";
import type { Message } from "./support/runtime";
import { ftpWriter } from "./support/servers";

const { runtime, load, failStor } = useRetry();

describe("the policy", () => {
  /** From the failure to the next attempt. */
  const waitOf = ({ delivery }: Message) => {
    const [{ startedAt, elapsedMs }] = delivery.attempts;
    return Date.parse(delivery.nextAttemptAt) - Date.parse(startedAt) - elapsedMs;
  };

  test.each([
    ["standard", 25_500, 40_000],
    [undefined, 25_500, 40_000],
    ["three-quick-tries", 1_000, 6_000],
  ])("preset %s waits as long as it says", async (preset, least, most) => {
    failStor(1);
    await load({ ...quick, preset });
    runtime.send("writer", { payload: "x" });
    const wait = waitOf(await runtime.next("retrying"));
    expect(wait).toBeGreaterThanOrEqual(least);
    expect(wait).toBeLessThan(most);
    await runtime.status("writer", { fill: "yellow", text: expect.stringMatching(/^1 waiting, next at /) });
    await runtime.status("retry", {
      fill: "yellow",
      text: expect.stringMatching(/^attempt 2 at .*: payload\.txt$/),
    });
  });

  test("of one's own may try other kinds and codes", async () => {
    await load(
      { ...quick, attempts: 2, kinds: [], codes: "553, 550" },
      ftpWriter({ path: "no/folder", makeFolders: false, wires: [[], ["retry"]] }),
    );
    runtime.send("writer", { payload: "x" });
    await runtime.next("retrying");
    expect((await runtime.next("gaveUp")).delivery.attempt).toBe(2);
  });

  test("may leave out a kind", async () => {
    failStor(5);
    await load({ ...quick, kinds: ["throttled"] });
    runtime.send("writer", { payload: "x" });
    expect((await runtime.next("gaveUp")).delivery.attempt).toBe(1);
  });
});

describe("a message that a retry node can do nothing with", () => {
  test.each<[string, object, RegExp]>([
    ["of no delivery", { payload: "x" }, /tells of no delivery.*failed output/],
    [
      "of an unknown delivery",
      { error: { deliveryId: "0b0d6a9a-0000-4000-8000-000000000000" } },
      /not known here/,
    ],
    ["with nonsense in it", { delivery: 5, error: "no" }, /tells of no delivery/],
    ["with no record at all", { delivery: null, error: null }, /tells of no delivery/],
  ])("%s, goes to a Catch node in words", async (_, msg, sentence) => {
    await load(quick);
    const id = runtime.send("retry", msg);
    const caught = await runtime.next("caught");
    expect(caught).toMatchObject({ _msgid: id, error: { message: expect.stringMatching(sentence) } });
    await runtime.status("retry", { fill: "red" });
  });

  test("because it was decided on before, is left alone with a warning", async () => {
    failStor(10);
    await load({ ...quick, preset: "standard" }, ftpWriter({ wires: [[], ["failed"]] }));
    runtime.send("writer", { payload: "x" });
    const failed = await runtime.next("failed");
    runtime.send("retry", failed);
    await runtime.next("retrying");
    runtime.send("retry", failed);
    await runtime.next("completed");
    await runtime.next("completed");
    expect(runtime.received("retrying")).toHaveLength(1);
    expect(runtime.received("gaveUp")).toEqual([]);
    const warnings = runtime.logged().filter(({ level, id }) => level === 30 && id === "retry");
    expect(warnings).toMatchObject([
      { msg: expect.stringContaining(`${failed.delivery.id} is waiting already`) },
    ]);
  });
});
