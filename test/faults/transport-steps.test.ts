import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { FtpHook } from "../../demo/servers/ftp";
import type { S3Hook } from "../../demo/servers/s3/hook";
import { SftpSession } from "../../src/lib/writers/sftp/session";
import { requireTool } from "../support/required";
import { sshdPath } from "../support/sshd";
import { type Played, play } from "./play";
import { type FaultRow, usualBytes } from "./row";
import type { Stage } from "./scene";
import { embeddedFtp } from "./stages/ftp";
import { embeddedS3 } from "./stages/s3";
import { openssh } from "./stages/sftp";
import { whatIsWrong } from "./verdict";

type When = "before" | "after";

/** Cuts the connection at one call of a delivery, and notes all calls. */
interface FailingCalls {
  readonly hook?: FtpHook | S3Hook;
  readonly calls: string[];
}

function failingCommands(step: number, when: When): FailingCalls {
  const calls: string[] = [];
  const hook: FtpHook = (command) => (calls.push(command) === step ? { drop: when } : undefined);
  return { hook, calls };
}

function failingRequests(step: number, when: When): FailingCalls {
  const calls: string[] = [];
  const hook: S3Hook = ({ operation }) => (calls.push(operation) === step ? { drop: when } : undefined);
  return { hook, calls };
}

/** OpenSSH cannot be told to fail, so the client's requests are cut. */
function failingSftp(step: number, when: When): FailingCalls {
  const calls: string[] = [];
  const begin = SftpSession.prototype.begin;
  vi.spyOn(SftpSession.prototype, "begin").mockImplementation(async function (this: SftpSession, ...call) {
    const struck = calls.push("request") === step;
    if (struck && when === "before") this.loss(new Error("Cut"), "store");
    const answer = await begin.apply(this, call);
    if (struck) throw this.loss(new Error("Cut"), "store");
    return answer;
  });
  return { calls };
}

interface Deed {
  readonly title: string;
  readonly stage: Stage;
  readonly failing: (step: number, when: When) => FailingCalls;
  readonly writer?: Record<string, unknown>;
  readonly size?: number;
  /** Fewer calls would mean that the deed was not done. */
  readonly leastCalls: number;
}

const ftp = { stage: embeddedFtp, failing: failingCommands };
const s3 = { stage: embeddedS3(), failing: failingRequests };
const deeds: Deed[] = [
  { ...ftp, title: "FTP, a small file", leastCalls: 12 },
  { ...ftp, title: "FTP, a large file", size: 3_000_000, leastCalls: 10 },
  { ...ftp, title: "FTP, read back", writer: { verify: "read-back" }, size: 3_000_000, leastCalls: 12 },
  { ...ftp, title: "FTP, without a temporary name", writer: { temporaryName: false }, leastCalls: 9 },
  { ...ftp, title: "FTP, identical ones skipped", writer: { conflict: "skip-identical" }, leastCalls: 13 },
  { ...s3, title: "S3, in one request", leastCalls: 2 },
  { ...s3, title: "S3, in parts", size: 12 * 1024 * 1024, leastCalls: 6 },
  ...(requireTool("openssh-server", sshdPath)
    ? [{ stage: openssh(), failing: failingSftp, title: "SFTP", size: 100_000, leastCalls: 9 }]
    : []),
];

afterEach(() => void vi.restoreAllMocks());

const patience = { timeout: 240_000 };

/** Without a temporary name the new file grows in the place of the old one. */
const isSeenGrowing = ({ writer }: Deed) => writer?.temporaryName === false;

/** Whose answer is lost, nobody knows the name of: it is tidied away a day later. */
const leavesEmptyUpload = (call: string | undefined, when: When) =>
  call === "CreateMultipartUpload" && when === "after";

describe.each(deeds)("each call fails once: $title", (deed) => {
  beforeAll(() => deed.stage.start());
  afterAll(() => deed.stage.stop());

  test.each<When>(["before", "after"])(
    "%s its work: delivered, whole, nothing left",
    patience,
    async (when) => {
      const broken: string[] = [];
      const title = deed.title.replace(/\W+/g, "-");
      let step = 0;
      for (let struck = true; struck; ) {
        step++;
        const { hook, calls } = deed.failing(step, when);
        const row: FaultRow = {
          ...{ phase: `call ${step}`, fault: "cut", ends: "delivered", attempts: { atLeast: 1 } },
          ...{ size: deed.size ?? usualBytes, writer: deed.writer ?? {}, ...(hook && { server: hook }) },
        };
        const played = await play(await deed.stage.scene(`${title}-${when}-${step}`, row), row);
        struck = calls.length >= step;
        vi.restoreAllMocks();
        const call = calls[step - 1];
        const wrong = wrongWith(played, deed, leavesEmptyUpload(call, when));
        if (wrong.length > 0) broken.push(`${step} ${call}: ${wrong.join(", ")}`);
      }
      expect(broken).toEqual([]);
      expect(step).toBeGreaterThan(deed.leastCalls);
    },
  );
});

function wrongWith(played: Played, deed: Deed, leavesOne: boolean): string[] {
  const leftovers = leavesOne
    ? played.leftovers.filter((name) => !name.startsWith("upload:"))
    : played.leftovers;
  const partial = isSeenGrowing(deed) ? 0 : played.partial;
  return whatIsWrong({ ...played, leftovers, partial });
}
