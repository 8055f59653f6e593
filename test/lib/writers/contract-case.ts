import { randomUUID } from "node:crypto";
import { expect, test } from "vitest";
import { DeliveryError } from "../../../src/lib/errors";
import type { AttemptContext, DataSource, Receipt, Writer } from "../../../src/lib/types";
import type { ContractOptions, WriterHarness } from "./contract";

export interface WriteOptions {
  signal?: AbortSignal;
  onProgress?: AttemptContext["onProgress"];
  /** Default: one writer for the case, with the policy `replace`. */
  writer?: Writer;
  /** Default: a new delivery. */
  deliveryId?: string;
  /** How many attempts were begun, by whomever. More than one: as after a crash. Default: 1. */
  begun?: number;
  attributes?: Record<string, string>;
}

/** What a case works with. Each case has a folder of its own and tells which files it leaves there. */
export interface Bench {
  readonly harness: WriterHarness;
  /** A name in the case's own folder. */
  name(leaf: string): string;
  /** Closed at the end of the case. */
  createWriter(options?: ContractOptions): Promise<Writer>;
  write(source: DataSource, target: string, options?: WriteOptions): Promise<Receipt>;
  /** Like `write`, for one that must fail. Anything but a `DeliveryError` fails the case. */
  writeFails(source: DataSource, target: string, options?: WriteOptions): Promise<DeliveryError>;
  /** The file is there with just these bytes. A file that no case expects is a leftover. */
  expectFile(target: string, bytes: Uint8Array): Promise<void>;
}

export interface ContractCases {
  readonly harness: WriterHarness;
  add(title: string, run: (bench: Bench) => Promise<void>): void;
  /** Adds the last case: deviations that name no case are refused. */
  finish(): void;
}

export function contractCases(harness: WriterHarness): ContractCases {
  const titles = new Set<string>();
  const deviations = harness.deviations ?? {};
  return {
    harness,
    add(title, run) {
      titles.add(title);
      const deviation = deviations[title];
      if (deviation === undefined) return test(title, () => runCase(harness, run));
      test(`${title} [deviates: ${deviation}]`, async () => {
        process.stderr.write(`DEVIATION: ${harness.name}: ${title}: ${deviation}\n`);
        // A deviation that no longer deviates has to go from the list.
        await expect(runCase(harness, run), `"${title}" passes: no deviation`).rejects.toThrow();
      });
    },
    finish() {
      test("every deviation names a case", () => {
        expect(Object.keys(deviations).filter((title) => !titles.has(title))).toEqual([]);
      });
    },
  };
}

let caseCount = 0;

async function runCase(harness: WriterHarness, run: (bench: Bench) => Promise<void>): Promise<void> {
  const before = new Set(await harness.list());
  const expected = new Set<string>();
  const writers: Writer[] = [];
  try {
    await run(createBench(harness, expected, writers));
  } finally {
    await Promise.all(writers.map((writer) => writer.close()));
  }
  const added = (await harness.list()).filter((name) => !before.has(name));
  expect(added.sort(), "files at the target, leftovers included").toEqual([...expected].sort());
}

function createBench(harness: WriterHarness, expected: Set<string>, writers: Writer[]): Bench {
  const folder = `case-${++caseCount}`;
  let shared: Promise<Writer> | undefined;
  const createWriter: Bench["createWriter"] = async (options) => {
    const writer = await harness.createWriter(options);
    writers.push(writer);
    return writer;
  };
  const write: Bench["write"] = async (source, target, options = {}) => {
    shared ??= options.writer ? undefined : createWriter();
    const writer = options.writer ?? (await shared);
    if (!writer) throw new Error("The case has no writer.");
    const context = {
      signal: options.signal ?? new AbortController().signal,
      onProgress: options.onProgress ?? (() => {}),
    };
    return writer.write(source, writeRequest(target, options), context);
  };
  return {
    harness,
    name: (leaf) => `${folder}/${leaf}`,
    createWriter,
    write,
    async writeFails(source, target, options) {
      const outcome = await write(source, target, options).then(
        (receipt) => receipt,
        (error: unknown) => error,
      );
      expect(outcome, "what write throws").toBeInstanceOf(DeliveryError);
      const error = outcome as DeliveryError;
      expect(error.message, "a sentence").toMatch(/^\S.*\s.*\S$/s);
      return error;
    },
    async expectFile(target, bytes) {
      const name = target.replace(/^\/+/, "");
      expected.add(name);
      const found = await harness.read(name);
      expect(found, `${name} at the target`).toBeDefined();
      // Compared as a whole: a difference printed byte by byte takes minutes.
      expect({ name, bytes: found?.length, same: found?.equals(bytes) }).toEqual({
        name,
        bytes: bytes.length,
        same: true,
      });
    },
  };
}

function writeRequest(target: string, options: WriteOptions) {
  const { deliveryId = randomUUID(), begun = 1, attributes = {} } = options;
  return {
    deliveryId,
    begun,
    target,
    contentType: "text/plain",
    metadata: { title: "Contract", "generated-by": "test" },
    attributes,
  };
}
