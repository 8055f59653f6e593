import { randomBytes, randomUUID } from "node:crypto";
import { rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { inspect } from "node:util";
import {
  createMemoryStore,
  createSpool,
  type DataSource,
  type Delivery,
  DeliveryRunner,
  type RetryPolicy,
  retryDelivery,
  standardPolicy,
  type Writer,
  writerAttempt,
} from "../../src/lib";
import type { SetFault } from "../support/fault-proxy";
import { sha256Of, testSource } from "../support/sources";
import { type FaultRow, usualBytes } from "./row";
import type { Scene } from "./scene";

export const target = "report.csv";
export const oldContent = Buffer.from("the old file");
/** Where a number of attempts is expected. */
export const mostAttempts = 3;
const hasty: RetryPolicy = {
  ...standardPolicy,
  attempts: mostAttempts,
  firstDelayMs: 20,
  jitter: 0,
  maxDelayMs: 200,
  timeLimitMs: 30_000,
};

/** Everything that can be told of a delivery afterwards. */
export interface Played {
  readonly delivery: Delivery;
  readonly content: Buffer;
  readonly sha256: string;
  /** How often each fault has struck. */
  readonly strikes: number[];
  /** How often something else was seen under the name than the old file or the new one. */
  readonly partial: number;
  readonly looks: number;
  readonly found: Buffer | undefined;
  readonly leftovers: string[];
  /** Connections that are open although everything was closed. */
  readonly open: number;
  /** All that was said, for the look for secrets. */
  readonly said: string;
}

/** Delivers over an old file, with the row's fault, until it is delivered or given up. */
export async function play(scene: Scene, row: FaultRow): Promise<Played> {
  const content = randomBytes(row.size ?? usualBytes);
  await scene.put(target, oldContent);
  const watch = watchTarget(scene, content);
  const faults = row.proxy && scene.proxy ? [scene.proxy.inject(row.proxy)] : [];
  const writer = sabotaged(scene.writer, content, row, () => {
    if (row.proxyAtEnd && scene.proxy && faults.length === 0) faults.push(scene.proxy.inject(row.proxyAtEnd));
  });
  const attempts = typeof row.attempts === "object" ? 6 : mostAttempts;
  const { delivery, problems } = await deliver(writer, content, { ...hasty, attempts }).finally(() =>
    scene.close(),
  );
  const open = (await scene.proxy?.whenClosed()) ?? 0;
  const { partial, looks } = await watch.stop();
  const played = {
    delivery,
    content,
    sha256: sha256Of(content),
    strikes: strikesOf(scene, row, faults),
    partial,
    looks,
    found: await scene.read(target),
    leftovers: (await scene.list()).filter((name) => name !== target),
    open,
    said: inspect([delivery, problems], { depth: 12, showHidden: true, maxStringLength: null }),
  };
  await scene.end();
  return played;
}

function strikesOf(scene: Scene, row: FaultRow, set: readonly SetFault[]): number[] {
  if (row.proxy || row.proxyAtEnd) return [set[0]?.strikes ?? 0];
  return row.server && scene.serverStrikes ? [scene.serverStrikes()] : [];
}

/** The content, misbehaving in the first attempt as the row says. */
function sabotaged(writer: Writer, content: Buffer, row: FaultRow, atEnd: () => void): Writer {
  let attempts = 0;
  return {
    ...writer,
    write(source, request, context) {
      const bad = attempts++ === 0 && row.source ? testSource(content, row.source) : source;
      return writer.write(tellingEnd(bad, atEnd), request, context);
    },
  };
}

function tellingEnd(source: DataSource, atEnd: () => void): DataSource {
  return {
    ...source,
    async read(options) {
      const reading = await source.read(options);
      reading.stream.once("end", atEnd);
      return reading;
    },
  };
}

/** The runner, the retry policy and the store as they are, in a hurry. */
async function deliver(writer: Writer, content: Buffer, policy: RetryPolicy) {
  const store = createMemoryStore();
  const spool = createSpool({ folder: join(tmpdir(), `no-spool-${randomUUID()}`) });
  const problems: Error[] = [];
  const id = randomUUID();
  let end = () => {};
  const ended = new Promise<void>((resolve) => {
    end = resolve;
  });
  const runner = new DeliveryRunner({
    queue: "writer",
    store,
    attempt: writerAttempt(writer, { spool }),
    async announce(delivery) {
      if (delivery.state !== "failed") return end();
      const { state } = await retryDelivery(store, { id, policy, by: "retry" });
      if (state === "gave-up") end();
    },
  });
  runner.on("problem", (problem) => problems.push(problem));
  runner.start();
  const path = join(tmpdir(), `fault-source-${id}`);
  await writeFile(path, content);
  await runner.accept({
    id,
    writer: { id: "writer", type: writer.type, name: "A writer" },
    source: { kind: "file", name: target, path, size: content.length, sha256: sha256Of(content) },
    target,
    location: writer.locate(target),
    metadata: {},
    attributes: {},
  });
  await ended;
  await runner.close({ graceMs: 5_000 });
  const delivery = await store.get(id);
  await store.close();
  await rm(path);
  if (!delivery) throw new Error("The store has lost the delivery.");
  return { delivery, problems };
}

function watchTarget(scene: Scene, content: Buffer) {
  let watching = true;
  let partial = 0;
  let looks = 0;
  const run = async () => {
    while (watching) {
      const seen = await scene.read(target);
      looks++;
      if (!seen?.equals(oldContent) && !seen?.equals(content)) partial++;
      await sleep(10);
    }
    return { partial, looks };
  };
  const result = run();
  return {
    stop() {
      watching = false;
      return result;
    },
  };
}
