import { inspect } from "node:util";
import { describe, expect, test } from "vitest";
import { DeliveryError } from "../../../src/lib/errors";
import {
  classifySftpLoss,
  refusalOf,
  type SftpErrorPlace,
  type SftpStep,
} from "../../../src/lib/writers/sftp/errors";

const where = "the SFTP server sftp.example.com:22";
const place = (step: SftpStep): SftpErrorPlace => ({ where, step, path: "/in/a.txt", secrets: ["c4nary"] });

const statuses: [code: number, step: SftpStep, kind: string, name: string, sentence: RegExp][] = [
  [2, "store", "missing", "SSH_FX_NO_SUCH_FILE", /did not store \/in\/a\.txt/],
  [3, "store", "denied", "SSH_FX_PERMISSION_DENIED", /for the permission/],
  [3, "rename", "denied", "SSH_FX_PERMISSION_DENIED", /did not rename the upload to/],
  [4, "store", "unavailable", "SSH_FX_FAILURE", /quota used up/],
  [4, "rename", "unavailable", "SSH_FX_FAILURE", /may work later/],
  [5, "store", "rejected", "SSH_FX_BAD_MESSAGE", /another name/],
  [8, "folder", "invalid", "SSH_FX_OP_UNSUPPORTED", /cannot do that/],
  [10, "store", "missing", "SSH_FX_NO_SUCH_PATH", /folder does not exist/],
  [11, "rename", "rejected", "SSH_FX_FILE_ALREADY_EXISTS", /another name/],
  [12, "store", "denied", "SSH_FX_WRITE_PROTECT", /permission/],
  [14, "store", "unavailable", "SSH_FX_NO_SPACE_ON_FILESYSTEM", /make room/],
  [15, "store", "unavailable", "SSH_FX_QUOTA_EXCEEDED", /make room/],
  [17, "store", "unavailable", "SSH_FX_LOCK_CONFLICT", /may work later/],
  [19, "folder", "rejected", "SSH_FX_NOT_A_DIRECTORY", /a file where a folder/],
  [20, "store", "rejected", "SSH_FX_INVALID_FILENAME", /another name/],
  [24, "rename", "rejected", "SSH_FX_FILE_IS_A_DIRECTORY", /a folder of that name/],
  [99, "store", "unavailable", "SSH_FX_99", /may work later/],
];

describe("refusals", () => {
  test.each(statuses)("status %i at %s: %s", (code, step, kind, name, sentence) => {
    const error = refusalOf({ code, text: "Said c4nary" }, place(step));
    expect(error).toMatchObject({ kind, code: name });
    expect(error.message).toMatch(sentence);
    expect(error.message).toMatch(/^The SFTP server sftp\.example\.com:22 .*: Said \*\*\*\. .*\.$/);
  });

  test.each([4, 14, 15])("a full destination, status %i: few attempts, a minute apart", (code) => {
    const error = refusalOf({ code, text: "" }, place("store"));
    expect(error).toMatchObject({ maxAttempts: 4, retryAfterMs: 60_000 });
  });
});

const failed = (message: string, more: object = {}) => Object.assign(new Error(message), more);

const losses: [title: string, error: Error, kind: string, code: string, sentence: RegExp][] = [
  [
    "nothing listens",
    failed("connect", { code: "ECONNREFUSED" }),
    "unavailable",
    "ECONNREFUSED",
    /nothing answers/,
  ],
  ["no such host", failed("lookup", { code: "ENOTFOUND" }), "unavailable", "ENOTFOUND", /spelling/],
  ["a reset", failed("read", { code: "ECONNRESET" }), "unavailable", "ECONNRESET", /closed the connection/],
  ["too many files of ours", failed("socket", { code: "EMFILE" }), "local", "EMFILE", /too many files/],
  ["a time-out", failed("Timeout"), "unavailable", "ETIMEDOUT", /did not answer in time while storing/],
  ["the client's time-out", failed("Timed out while waiting"), "unavailable", "ETIMEDOUT", /in time/],
  [
    "closed",
    failed("The connection was closed"),
    "unavailable",
    "ECONNRESET",
    /closed the connection while storing/,
  ],
  [
    "too many connections",
    failed("Too many", { code: 12 }),
    "throttled",
    "SSH_DISCONNECT_TOO_MANY_CONNECTIONS",
    /fewer connections/,
  ],
  ["an illegal user", failed("no", { code: 15 }), "denied", "SSH_DISCONNECT_ILLEGAL_USER_NAME", /permission/],
  [
    "too many log-ins",
    failed("Too many authentication failures", { code: 2 }),
    "denied",
    "SSH_AUTHENTICATION_FAILED",
    /refused the login/,
  ],
  [
    "going down",
    failed("shutting down", { code: 7 }),
    "unavailable",
    "SSH_DISCONNECT_7",
    /ended the session/,
  ],
  [
    "no algorithm in common",
    failed("Handshake failed: no matching key exchange algorithm", { level: "handshake" }),
    "invalid",
    "SSH_DISCONNECT_KEY_EXCHANGE_FAILED",
    /shares no algorithm/,
  ],
];

describe("losses", () => {
  test.each(losses)("%s", (_title, error, kind, code, sentence) => {
    const classified = classifySftpLoss(error, place("store"));
    expect(classified).toMatchObject({ kind, code });
    expect(classified.message).toMatch(sentence);
  });

  test("a secret that the other side repeats is taken out", () => {
    const error = classifySftpLoss(failed("c4nary is wrong", { code: 7 }), place("login"));
    expect(inspect(error, { depth: 10, showHidden: true })).not.toContain("c4nary");
    const lost = classifySftpLoss(failed("c4nary"), place("login"));
    expect(inspect(lost, { depth: 10, showHidden: true })).not.toContain("c4nary");
  });

  test("a DeliveryError stays what it is", () => {
    const error = new DeliveryError("cancelled", "The delivery was interrupted.");
    expect(classifySftpLoss(error, place("store"))).toBe(error);
  });
});
