import { describe, expect, test } from "vitest";
import { useNotify } from "./support/flows";
import { bucket, ftpWriter, notify, retry, s3Writer } from "./support/servers";

const { servers, runtime, load, mailsAbout } = useNotify();

const told = { wires: [["notify"], ["notify"]] };

describe("a mail", () => {
  test("of a success says where it is, how to get it, and what it is", async () => {
    await load(
      s3Writer({ ...told, key: "daily/{{source.name}}", link: true }),
      notify({ timeZone: "Europe/Berlin" }),
    );
    runtime.send("writer", {
      payload: "a;b",
      filename: "daily report ü.csv",
      metadata: { title: "Täglich" },
    });
    const sent = await runtime.next("sent");
    expect(sent.delivery.state).toBe("delivered");
    expect(sent.notification).toMatchObject({
      state: "delivered",
      writer: { id: "notify", type: "delivery-notify" },
      target: "ops@example.com",
      attempt: 1,
    });
    const mail = await servers.smtp.waitFor(
      ({ subject = "" }) => subject.includes("daily report ü.csv"),
      2_000,
    );
    expect(mail.subject).toBe(`Delivered: s3://${bucket}/daily/daily report ü.csv`);
    expect(mail.envelope).toEqual({ from: "deliveries@example.com", to: ["ops@example.com"] });
    expect(mail.user).toBe("deliveries");
    const { text = "" } = mail;
    for (const part of [
      sent.delivery.url,
      "Size:      3 bytes",
      `SHA-256:   ${sent.delivery.sha256}`,
      "Verified:  by the checksum that the other side computed",
      "Duration:  ",
      "(Europe/Berlin)",
      "Writer:    To S3",
      "title: Täglich",
    ])
      expect(text).toContain(part);
    expect(await (await fetch(/https?:\S+/.exec(text)?.[0] ?? "")).text()).toBe("a;b");
    await runtime.status("notify", { fill: "green", text: "sent to ops@example.com" });
    await runtime.next("completed");
  });

  test("of a failure says why, what to do, and all that was tried", async () => {
    servers.ftp.hook = (command) => (command === "STOR" ? { reply: "450 Busy" } : undefined);
    const policy = { preset: "custom", attempts: 2, firstDelaySeconds: 0.01 };
    await load(
      ftpWriter({ path: "failing.csv", wires: [["notify"], ["retry"]] }),
      retry({ ...policy, wires: [["notify"], ["notify"]] }),
      notify(),
    );
    runtime.send("writer", { payload: "x", metadata: { title: "Night" } });
    const { delivery, error } = await runtime.next("sent");
    expect(delivery.state).toBe("gave-up");
    const [mail, ...others] = mailsAbout(/failing\.csv/);
    expect(others).toEqual([]);
    expect(mail?.subject).toMatch(/^Not delivered: ftp:.*failing\.csv \(unavailable\)$/);
    for (const part of [
      "could not be delivered to",
      "after 2 attempts",
      `Reason:      ${error.message}`,
      "What to do:  Find out",
      "Error kind:  unavailable",
      "Error code:  450",
      "Writer:      To FTP",
      "title: Night",
      error.stack.split("\n")[1].trim(),
    ])
      expect(mail?.text).toContain(part);
    expect(mail?.text?.match(/^ {2}\d\. .*unavailable, 450/gm)).toHaveLength(2);
  });

  test("of a caught failure says just as much", async () => {
    const watch = { id: "catch2", type: "catch", scope: ["writer"], uncaught: false, wires: [["notify"]] };
    await load(ftpWriter({ path: "caught/x", makeFolders: false, wires: [[], []] }), watch, notify());
    runtime.send("writer", { payload: "x" });
    await runtime.next("sent");
    const [mail] = mailsAbout(/caught\/x/);
    expect(mail?.subject).toMatch(/^Not delivered: ftp:.*caught\/x \(missing\)$/);
    expect(mail?.text).toContain("Error kind:  missing");
    expect(mail?.text).toContain("What to do:  Create what is missing");
  });

  test("of an error without any delivery says what a Catch node knows", async () => {
    await load(notify());
    runtime.send("notify", {
      error: { message: "The database is down.", source: { id: "q", type: "query" } },
    });
    await runtime.next("sent");
    expect(mailsAbout(/^Failed before a delivery$/)[0]?.text).toContain("Reason:      The database is down.");
  });
});

describe("the options of a notify node", () => {
  test("recipients and texts are templates", async () => {
    await load(
      s3Writer({ ...told, key: "options" }),
      notify({
        to: 'Ann <{{msg.ann}}>, "Bob, the" <bob@example.com>,',
        deliveredSubject: "{{metadata.title}}:\n {{delivery.bytes}} bytes",
        deliveredText: "{{yyyy}} {{#delivery.url}}link{{/delivery.url}} {{source.name}} & co",
      }),
    );
    const source = { kind: "text", name: "n.txt", text: "x" };
    runtime.send("writer", { source, ann: "ann@example.com", metadata: { title: "Títle" } });
    await runtime.next("sent");
    const [mail] = mailsAbout(/^Títle: 1 bytes$/);
    expect(mail?.envelope.to).toEqual(["ann@example.com", "bob@example.com"]);
    expect(mail?.text?.trim()).toBe(`${new Date().getFullYear()}  n.txt & co`);
  });

  test.each([
    ["both", ["delivered", "gave-up"]],
    ["delivered", ["delivered"]],
    ["gave-up", ["gave-up"]],
  ])("when %s", async (when, states) => {
    await load(notify({ when, connection: "" }));
    for (const state of ["delivered", "waiting", "gave-up"]) {
      runtime.send("notify", { delivery: { id: `${when}-${state}`, state, location: "somewhere" } });
      await runtime.next("completed");
    }
    expect(runtime.received("sent").map(({ delivery }) => delivery.state)).toEqual(states);
  });

  test("without a mail server the log is told", async () => {
    await load(s3Writer({ ...told, key: "logged", bucket: "not-there" }), notify({ connection: "", to: "" }));
    runtime.send("writer", { payload: "x" });
    expect((await runtime.next("sent")).notification.location).toBe("log");
    const entries = runtime.logged().filter(({ id }) => id === "notify");
    expect(entries).toMatchObject([
      { level: 20, msg: expect.stringContaining("Not delivered: s3://not-there/logged") },
    ]);
    expect(runtime.received("caught")).toEqual([]);
    await runtime.status("notify", { fill: "green", text: "sent to log" });
  });
});
