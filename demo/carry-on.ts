import type { Delivery } from "../src/lib";
import { type Demo, type Finding, triesOf } from "./check-run";
import type { DeliveryRecord } from "./node-red";
import type { Playground } from "./playground";
import { printFindings, printLeft, printWaiting } from "./printing";
import { readBack, sha256Of } from "./read-back";

/** Some wait as long as the policy that somebody has chosen says; timers know no longer time. */
const patienceMs = 2 ** 31 - 1;

/** Says how what a demo that was killed has left comes to its end. It never ends by itself. */
export async function carryOn(demo: Demo, left: readonly Delivery[]): Promise<never> {
  printLeft(
    left.map(({ writer, location, target }) =>
      writer.type === "delivery-notify" ? `mail to ${target}` : location || target,
    ),
  );
  printWaiting(demo.nodeRed);
  console.log("");
  const outcomes = left.map(async (delivery) => printFindings(await outcomeOf(demo, delivery)));
  await Promise.all(outcomes);
  return new Promise(() => {});
}

async function outcomeOf({ nodeRed, playground }: Demo, delivery: Delivery): Promise<Finding[]> {
  const { id, writer, target } = delivery;
  if (writer.type === "delivery-notify") {
    const [first = ""] = target.split(",");
    const mail = await playground.smtp.waitFor(({ envelope }) => envelope.to.includes(first), patienceMs);
    return [{ mark: "mail", text: `to ${target}: ${mail.subject}` }];
  }
  const ends = ["delivered", "skipped", "gave-up", "cancelled"];
  const record = await nodeRed.outcome((one) => one.id === id && ends.includes(one.state), patienceMs);
  if (!record) return [];
  const tries = triesOf(record);
  if (record.state === "gave-up") return tries;
  if (record.state === "cancelled") return [...tries, { mark: "gave up", text: "cancelled by somebody" }];
  return [...tries, await arrived(playground, writer.type, record)];
}

/** What went to the demo's own servers is looked at; what somebody sends elsewhere is Node-RED's word. */
async function arrived(playground: Playground, writerType: string, record: DeliveryRecord): Promise<Finding> {
  const { location, target, bytes = 0, sha256 = "" } = record;
  const finding: Finding = { mark: "delivered", text: location };
  const to = writerType === "delivery-s3-writer" ? "s3" : "ftp";
  const place = to === "s3" ? `s3://${playground.bucket}/` : `ftp://localhost:${playground.ftp.port}/`;
  if (!location.startsWith(place)) return finding;
  const found = await readBack(playground, to, target);
  if (!found) return { mark: "wrong", text: `${location} is not there.` };
  if (sha256Of(found) !== sha256) return { mark: "wrong", text: `${location} has another content.` };
  const detail = `${bytes.toLocaleString("en")} bytes, sha256 ${sha256.slice(0, 16)}…, read back: identical`;
  return { ...finding, detail };
}
