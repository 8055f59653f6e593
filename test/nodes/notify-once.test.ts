import { describe, expect, test } from "vitest";
import { useNotify } from "./support/flows";
import type { FlowNode } from "./support/runtime";
import { bucket, notify, retry, s3Writer, smtpConnection } from "./support/servers";

const { servers, runtime, load, deploy, mailsAbout } = useNotify();

const told = { wires: [["notify"], ["notify"]] };

describe("a notification", () => {
  test("is sent once for each delivery and outcome, over however many wires", async () => {
    await load(s3Writer({ key: "once", wires: [["notify", "notify"], []] }), notify());
    runtime.send("writer", { payload: "x" });
    await runtime.next("completed");
    await runtime.next("completed");
    runtime.send("notify", runtime.received("sent")[0] ?? {});
    await runtime.next("completed");
    expect(runtime.received("sent")).toHaveLength(1);
    expect(mailsAbout(/once$/)).toHaveLength(1);
  });

  test.each<[string, string[][], FlowNode[], string]>([
    ["at the failed output", [["sent"], ["unsent", "second"]], [], "unsent"],
    [
      "at a Catch node",
      [["sent"], []],
      [{ id: "again", type: "catch", scope: null, uncaught: false, wires: [["second", "notify"]] }],
      "caught",
    ],
  ])("that fails changes no delivery and causes no other, %s", async (_, wires, more, output) => {
    servers.smtp.hook = (command) => (command === "MAIL" ? { reply: "550 Not today" } : undefined);
    await load(
      s3Writer({ key: "untold", ...told }),
      notify({ wires }),
      notify({ id: "second", connection: "", wires: [["sent"], ["unsent"]] }),
      ...more,
    );
    runtime.send("writer", { payload: "x" });
    const { delivery, notification, error } = await runtime.next(output);
    expect(delivery).toMatchObject({ state: "delivered", target: "untold" });
    expect(notification).toMatchObject({
      state: "failed",
      attempts: [{ error: { kind: "rejected", code: "550" } }],
    });
    expect(error).toMatchObject({ message: expect.stringContaining("Not today"), source: { id: "notify" } });
    await runtime.status("notify", { fill: "red" });
    await new Promise((resolve) => setTimeout(resolve, 300));
    expect(runtime.received("sent")).toEqual([]);
    expect(runtime.received("unsent").length + runtime.received("caught").length).toBe(1);
    expect(String(await servers.s3.read(bucket, "untold"))).toBe("x");
  });

  test.each([
    ["the failed output", [["sent"], ["retry"]], []],
    [
      "a Catch node",
      [["sent"], []],
      [{ id: "again", type: "catch", scope: ["notify"], uncaught: false, wires: [["retry"]] }],
    ],
  ])("that failed is tried again by a retry node at %s", async (place, wires, more) => {
    let failures = 1;
    servers.smtp.hook = (command) =>
      command === "DATA" && failures-- > 0 ? { reply: "451 Later" } : undefined;
    const key = `again-${place.replaceAll(" ", "-")}`;
    await load(
      s3Writer({ key, ...told }),
      notify({ wires }),
      retry({ preset: "custom", firstDelaySeconds: 0.05 }),
      ...more,
    );
    runtime.send("writer", { payload: "x" });
    const retrying = await runtime.next("retrying");
    expect(retrying.notification).toMatchObject({ state: "waiting", attempt: 1 });
    expect(retrying.delivery).toMatchObject({ state: "delivered", target: key });
    const { notification, delivery } = await runtime.next("sent");
    expect(notification).toMatchObject({ state: "delivered", attempt: 2 });
    expect(delivery.target).toBe(key);
    expect(mailsAbout(new RegExp(`${key}$`))).toHaveLength(1);
  });

  test("put off for one of two people comes to that one only, also from a notify node deployed anew", async () => {
    const [ann, bob] = ["ann@example.com", "bob@example.com"];
    let putOff = 1;
    servers.smtp.hook = (command, address) =>
      command === "RCPT" && address === bob && putOff-- > 0 ? { reply: "450 4.7.1 Come back" } : undefined;
    const nodes = (name: string) => [
      s3Writer({ key: "greylisted", ...told }),
      notify({ name, to: `${ann}, ${bob}`, wires: [["sent"], ["retry"]] }),
      retry({ preset: "custom", firstDelaySeconds: 1, jitterPercent: 0 }),
    ];
    await load(...nodes(""));
    runtime.send("writer", { payload: "x" });
    const { error } = await runtime.next("retrying");
    expect(error).toMatchObject({ code: "450", recipients: { told: [ann], refused: [] } });
    await deploy(...nodes("Renamed"));
    expect((await runtime.next("sent")).notification).toMatchObject({
      location: `${ann}, ${bob}`,
      attempt: 2,
    });
    const mails = mailsAbout(/greylisted$/);
    expect(mails.map(({ envelope }) => envelope.to)).toEqual([[ann], [bob]]);
    expect(new Set(mails.map(({ raw }) => String(raw))).size).toBe(1);
  });

  test("over a dead mail server fails in words", async () => {
    await load(
      s3Writer({ key: "dead", ...told }),
      notify({ connection: "dead" }),
      smtpConnection(servers, { id: "dead", port: 1 }),
    );
    runtime.send("writer", { payload: "x" });
    expect((await runtime.next("unsent")).error).toMatchObject({ kind: "unavailable", code: "ECONNREFUSED" });
  });
});
