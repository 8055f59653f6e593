import { afterAll, beforeAll, describe } from "vitest";
import type { Writer } from "../../../src/lib/types";
import type { ChecksumFile } from "../../../src/lib/writers/companions";
import type { ConflictPolicy } from "../../../src/lib/writers/target-name";
import { type ContractCases, contractCases } from "./contract-case";
import { companionCases } from "./contract-companions";
import { contentCases } from "./contract-content";
import { nameCases } from "./contract-names";
import { publishingCases } from "./contract-publishing";
import { repeatCases } from "./contract-repeats";

/** Options that the contract sets; the harness passes them on. */
export interface ContractOptions {
  conflict?: ConflictPolicy;
  checksumFile?: ChecksumFile;
}

/** What the shared contract needs to know about a writer and the server behind it. */
export interface WriterHarness {
  /** `s3 (embedded)`, `ftp (vsftpd)`. */
  readonly name: string;
  start(): Promise<void>;
  stop(): Promise<void>;
  /** A fresh writer; the contract closes it. */
  createWriter(options?: ContractOptions): Promise<Writer>;
  /** The content at the target, by another client or straight from the disk; undefined when there is none. */
  read(target: string): Promise<Buffer | undefined>;
  /**
   * The names of all files below the root, without a leading slash, temporary ones included. Open
   * multipart uploads are listed as `upload:<key>`.
   */
  list(): Promise<string[]>;
  /** Places a file beforehand, with the folders that it needs. */
  put(target: string, bytes: Uint8Array): Promise<void>;
  /** For writers that upload in parts: content sizes around it are tried. */
  partSizeBytes?: number;
  /** The target has real folders: a name cannot be a file and a folder at once. */
  folders?: boolean;
  /** It looks for what a killed attempt may have delivered, and writes companion files. */
  repeats?: boolean;
  /** The size of the big content. Default: 16 MiB. */
  bigBytes?: number;
  /**
   * Title of a case → what this server does instead. Such a case must fail, and is printed by name.
   */
  deviations?: Record<string, string>;
}

/** Registers the cases that every writer must pass. */
export function describeWriterContract(harness: WriterHarness): void {
  describe(`writer contract: ${harness.name}`, { timeout: 60_000 }, () => {
    beforeAll(() => harness.start(), 60_000);
    afterAll(() => harness.stop(), 60_000);
    const cases: ContractCases = contractCases(harness);
    describe("names", () => nameCases(cases));
    describe("content", () => contentCases(cases));
    describe("publishing", () => publishingCases(cases));
    if (harness.repeats) describe("repeats", () => repeatCases(cases));
    if (harness.repeats) describe("companions", () => companionCases(cases));
    cases.finish();
  });
}
