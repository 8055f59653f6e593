import { randomBytes, randomUUID } from "node:crypto";
import { describe, expect, test } from "vitest";
import { testSource } from "../../support/sources";
import { filesOf, ftpBench, on } from "./ftp-bench";

// What a writer does that begins where another process was killed: it knows only that there was an attempt.
const content = "the new content";
const other = "quite a stranger".slice(0, content.length);
const policies = ["replace", "fail", "keep-both", "skip-identical"] as const;

describe.each(policies)("killed between the rename and the news of it (%s)", (conflict) => {
  test("the repeat finds its own file and sends nothing", async () => {
    const bench = await ftpBench({ writer: { conflict } });
    await bench.disk.put("a.txt", Buffer.from(content));
    const receipt = await bench.deliver(content, "a.txt", { begun: 2 });
    expect(receipt).toMatchObject({ outcome: "delivered", bytes: content.length, verified: "read-back" });
    expect(receipt.location).toBe(bench.writer().locate("a.txt"));
    expect(receipt.notes).toEqual([expect.stringMatching(/earlier attempt/)]);
    expect(bench.commands().join()).not.toContain("STOR");
    expect(await filesOf(bench)).toEqual({ "a.txt": content });
  });

  test("a source whose digest nobody knows is read for that", async () => {
    const bench = await ftpBench({ writer: { conflict } });
    await bench.disk.put("a.txt", Buffer.from(content));
    const source = testSource(Buffer.from(content), { unknownLength: true });
    expect((await bench.deliver(source, "a.txt", { begun: 2 })).outcome).toBe("delivered");
    expect(bench.commands().join()).not.toContain("STOR");
  });
});

describe("a file that is not our work, though there was an attempt", () => {
  test.each([other, "of another length"])("fail: %s stays", async (text) => {
    const bench = await ftpBench({ writer: { conflict: "fail" } });
    await bench.disk.put("a.txt", Buffer.from(text));
    const error = await bench.fail(content, "a.txt", { begun: 2 });
    expect(error).toMatchObject({ kind: "rejected", code: "EEXIST" });
    expect(await filesOf(bench)).toEqual({ "a.txt": text });
  });

  test("keep-both: stays, and ours gets a number", async () => {
    const bench = await ftpBench({ writer: { conflict: "keep-both" } });
    await bench.disk.put("a.txt", Buffer.from(other));
    await bench.deliver(content, "a.txt", { begun: 2 });
    expect(await filesOf(bench)).toEqual({ "a.txt": other, "a-1.txt": content });
  });

  test("replace: is replaced", async () => {
    const bench = await ftpBench();
    await bench.disk.put("a.txt", Buffer.from(other));
    await bench.deliver(content, "a.txt", { begun: 2 });
    expect(await filesOf(bench)).toEqual({ "a.txt": content });
  });

  test("our upload still has its temporary name: it was never published", async () => {
    const bench = await ftpBench({ writer: { conflict: "keep-both" } });
    const deliveryId = randomUUID();
    let temporary = "";
    bench.server.hook = (command, argument) => {
      if (command === "STOR") temporary = argument.slice(1);
      return command === "STOR" ? { reply: "450 Busy." } : undefined;
    };
    await bench.fail(content, "a.txt", { deliveryId });
    bench.server.hook = undefined;
    await bench.disk.put(temporary, Buffer.from("half"));
    await bench.disk.put("a.txt", Buffer.from(content));
    await bench.deliver(content, "a.txt", { deliveryId, begun: 2 });
    expect(await filesOf(bench)).toEqual({ "a.txt": content, "a-1.txt": content });
  });

  test("the writer itself saw its attempt fail before that: an identical file is somebody else's", async () => {
    const bench = await ftpBench();
    const deliveryId = randomUUID();
    const writer = bench.writer({ conflict: "fail" });
    bench.server.hook = on("STOR", { reply: "450 Busy." });
    await bench.failWith(writer, content, "a.txt", { deliveryId });
    bench.server.hook = undefined;
    await bench.disk.put("a.txt", Buffer.from(content));
    const error = await bench.failWith(writer, content, "a.txt", { deliveryId, begun: 2 });
    expect(error).toMatchObject({ kind: "rejected", code: "EEXIST" });
  });

  test.each(["fail", "keep-both"] as const)(
    "nothing but the size can be compared: not ours (%s)",
    async (conflict) => {
      const bench = await ftpBench({ writer: { conflict } });
      await bench.disk.put("a.txt", Buffer.from(content));
      bench.server.hook = on("RETR", { reply: "550 Write only." });
      const outcome = await bench.deliver(content, "a.txt", { begun: 2 }).catch((error: unknown) => error);
      if (conflict === "fail") expect(outcome).toMatchObject({ kind: "rejected" });
      else expect(await filesOf(bench)).toEqual({ "a.txt": content, "a-1.txt": content });
    },
  );
});

test("keep-both: the earlier attempt's file has a number already", async () => {
  const bench = await ftpBench({ writer: { conflict: "keep-both" } });
  await bench.disk.put("a.txt", Buffer.from(other));
  await bench.disk.put("a-1.txt", Buffer.from(other));
  await bench.disk.put("a-2.txt", Buffer.from(content));
  const receipt = await bench.deliver(content, "a.txt", { begun: 2 });
  expect(receipt.location).toBe(bench.writer().locate("a-2.txt"));
  expect(Object.keys(await filesOf(bench))).toEqual(["a-1.txt", "a-2.txt", "a.txt"]);
});

test("a large file is read back for fail, and simply sent again for replace", async () => {
  const bench = await ftpBench();
  const bytes = randomBytes(9 * 1024 * 1024);
  await bench.disk.put("a.bin", bytes);
  const failing = await bench.deliver(bytes, "a.bin", { begun: 2, writer: { conflict: "fail" } });
  expect(failing).toMatchObject({ outcome: "delivered", verified: "read-back" });
  bench.commands();
  await bench.deliver(bytes, "a.bin", { begun: 2 });
  expect(bench.commands().join()).toContain("STOR");
});

test("a first attempt looks at nothing", async () => {
  const bench = await ftpBench();
  await bench.disk.put("a.txt", Buffer.from(content));
  await bench.deliver(content, "a.txt");
  expect(bench.commands()[0]).toBe("EPSV");
});
