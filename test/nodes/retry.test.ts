import { readFile } from "node:fs/promises";
import path from "node:path";
import { describe, expect, test } from "vitest";
import { quick, useRetry } from "./support/flows";
import { bucket, ftpWriter, s3Writer } from "./support/servers";

const { servers, runtime, load, failStor } = useRetry();

describe("a failed delivery", () => {
  test("goes back to its writer by itself, with the message as it was accepted", async () => {
    failStor(2);
    await load(quick);
    const msg = { payload: { rows: [1, 2] }, topic: "t", metadata: { title: "A" } };
    const id = runtime.send("writer", msg);
    const first = await runtime.next("retrying");
    expect(first).toMatchObject({
      _msgid: id,
      ...msg,
      delivery: { state: "waiting", attempt: 1, nextAttemptAt: expect.stringMatching(/Z$/) },
      error: { kind: "unavailable", code: "450" },
    });
    expect((await runtime.next("retrying")).delivery).toMatchObject({ attempt: 2, id: first.delivery.id });
    const { delivery, ...rest } = await runtime.next("delivered");
    expect(rest).toEqual({ _msgid: id, ...msg });
    expect(delivery).toMatchObject({ id: first.delivery.id, state: "delivered", attempt: 3 });
    expect(delivery.attempts.map(({ error }: { error?: object }) => error !== undefined)).toEqual([
      true,
      true,
      false,
    ]);
    expect(await readFile(path.join(servers.ftp.root, "payload.json"), "utf8")).toBe('{"rows":[1,2]}');
    expect(runtime.received("gaveUp")).toEqual([]);
    expect(runtime.received("retrying")).toHaveLength(2);
    expect(runtime.received("failed")).toHaveLength(2);
    expect(runtime.received("caught")).toEqual([]);
    await runtime.status("retry", { fill: "green", text: "attempt 3 succeeded: payload.json" });
  });

  test("is given up when the attempts are used up, and told so once", async () => {
    failStor(10);
    await load(quick);
    const id = runtime.send("writer", { payload: "x" });
    const { delivery, error, _msgid } = await runtime.next("gaveUp");
    expect(_msgid).toBe(id);
    expect(delivery).toMatchObject({ state: "gave-up", attempt: 3, reason: "All 3 attempts failed." });
    expect(delivery.attempts).toHaveLength(3);
    expect(error).toMatchObject({ kind: "unavailable", code: "450", deliveryId: delivery.id });
    expect(runtime.received("retrying")).toHaveLength(2);
    expect(runtime.received("gaveUp")).toHaveLength(1);
    await runtime.status("retry", { fill: "red", text: expect.stringMatching(/^gave up: /) });
  });

  test("that no further try can cure is given up at once", async () => {
    await load(quick, ftpWriter({ path: "no/folder", makeFolders: false, wires: [[], ["retry"]] }));
    runtime.send("writer", { payload: "x" });
    const { delivery } = await runtime.next("gaveUp");
    expect(delivery).toMatchObject({
      attempt: 1,
      reason: 'Errors of the kind "missing" are not tried again.',
    });
    expect(runtime.received("retrying")).toEqual([]);
  });

  test("comes by a Catch node just as well", async () => {
    failStor(1);
    const watch = { id: "catch2", type: "catch", scope: ["writer"], uncaught: false, wires: [["retry"]] };
    await load(quick, ftpWriter({ path: "caught.txt", wires: [["delivered"], []] }), watch);
    runtime.send("writer", { payload: "by catch" });
    expect((await runtime.next("retrying")).delivery.state).toBe("waiting");
    expect((await runtime.next("delivered")).delivery).toMatchObject({ attempt: 2, target: "caught.txt" });
  });

  test("that was never accepted is given up", async () => {
    await load(quick);
    runtime.send("writer", {});
    expect((await runtime.next("gaveUp")).delivery.reason).toMatch(/^It was not accepted/);
  });
});

test("one retry node serves two writers, and each gets its own back", async () => {
  failStor(1);
  // A request is sent up to three times before its attempt fails.
  let failures = 3;
  const release = servers.s3.onRequest(({ operation }) =>
    operation === "PutObject" && failures-- > 0
      ? { answer: { status: 409, code: "OperationAborted" } }
      : undefined,
  );
  const wires = [["delivered"], ["retry"]];
  await load(
    quick,
    ftpWriter({ id: "to-ftp", path: "own-ftp", wires }),
    s3Writer({ id: "to-s3", key: "own-s3", wires }),
  );
  runtime.send("to-ftp", { payload: "f" });
  runtime.send("to-s3", { payload: "s" });
  const delivered = [await runtime.next("delivered"), await runtime.next("delivered")];
  release();
  const targets = delivered.map(({ delivery }) => [delivery.writer.id, delivery.target, delivery.attempt]);
  expect(targets.sort()).toEqual([
    ["to-ftp", "own-ftp", 2],
    ["to-s3", "own-s3", 2],
  ]);
  expect(String(await servers.s3.read(bucket, "own-s3"))).toBe("s");
});
