import type { Symptom } from "./symptom";

const part = "{path}{*.4f1c2e….part}";

export const during = {
  connecting: "while connecting. Check the port, and whether it expects TLS from the first byte",
  securing: "while setting up TLS",
  login: "during the login",
  passive: "while opening a data connection",
  storing: `while storing ${part}`,
  reading: "while reading {path}report.csv",
  renaming: "while renaming the upload to {path}report.csv",
} as const;
export type During = (typeof during)[keyof typeof during];

/** The other side, or something in between, lets a connection fall. */
export const reset: Symptom = {
  symptom: "A connection is reset",
  kind: "unavailable",
  code: "ECONNRESET",
  says: "Cannot reach {where}: it closed the connection (ECONNRESET).",
};

export function closed(doing: During): Symptom {
  return {
    symptom: "The server or a firewall closes the connection",
    kind: "unavailable",
    code: "ECONNRESET",
    says: `{Where} closed the connection ${doing}.`,
  };
}

export function silent(doing: During): Symptom {
  return {
    symptom: "No answer comes, or no byte moves, for the time that the connection allows",
    kind: "unavailable",
    code: "ETIMEDOUT",
    says: `{Where} did not answer in time ${doing}.`,
  };
}

export const short: Symptom = {
  symptom: "226, but the file at the server is shorter or longer than what was sent",
  kind: "unavailable",
  code: "SIZE_MISMATCH",
  says: "{Where} holds {*150000} of {*300000} bytes of report.csv: the upload was damaged on its way.",
  maxAttempts: 3,
};

type Answer = Omit<Symptom, "symptom" | "says" | "code">;

/** What the server answers, and what follows in the sentence. */
function refusal(symptom: string, reply: string, does: string, advice: string, answer: Answer): Symptom {
  const code = reply.slice(0, 3);
  return { symptom, code, says: `{Where} ${does}: ${reply} ${advice}`, ...answer };
}

const later = "It may work later.";
const wait: Answer = { kind: "unavailable" };
const notStored = `did not store ${part}`;
const notRenamed = "did not rename the upload to {path}report.csv";
const badName = "Choose another name, or ask the server's owner what is allowed there.";
const noTls = "Check the connection's security and the server's TLS.";
const full = "The destination is full: its owner must make room.";
const fullAnswer: Answer = { kind: "unavailable", maxAttempts: 4, retryAfterMs: 60_000 };
const credentials = "Check the user name and the password.";
const locked: Answer = { kind: "denied", maxAttempts: 3 };
const permission = "Ask the server's owner for the permission.";

/** By the step at which the server answers so, and by its answer. */
export const refusals = {
  CONNECT: {
    "421 Closing down.": refusal(
      "421 to a new connection",
      "421 Closing down.",
      "refused the connection",
      later,
      wait,
    ),
    "421 Too many connections.": refusal(
      "421 that speaks of too many connections",
      "421 Too many connections.",
      "refused the connection",
      "Open fewer connections at once, or wait.",
      { kind: "throttled" },
    ),
  },
  PASS: {
    "530 Login incorrect.": refusal(
      "530: wrong user or password",
      "530 Login incorrect.",
      "refused the login",
      credentials,
      locked,
    ),
    "430 Invalid user.": refusal("430", "430 Invalid user.", "refused the login", credentials, locked),
    "532 Need account.": refusal("532", "532 Need account.", "refused the login", credentials, locked),
    "530 Too many users, limit reached.": refusal(
      "530 that speaks of too many users",
      "530 Too many users, limit reached.",
      "refused the login",
      "Open fewer connections at once, or wait.",
      { kind: "throttled" },
    ),
    "534 Policy requires TLS.": refusal("534", "534 Policy requires TLS.", "refused the login", noTls, {
      kind: "invalid",
    }),
  },
  EPSV: {
    "425 No ports left.": refusal(
      "425: no data connection",
      "425 No ports left.",
      "opened no data connection",
      "If it goes on: check the server's passive ports, the firewall, and whether the server wants the TLS session reused.",
      wait,
    ),
  },
  STOR: {
    "421 Closing down.": refusal("421 at any other time", "421 Closing down.", notStored, later, wait),
    "450 Busy.": refusal("450", "450 Busy.", notStored, later, wait),
    "451 Local error.": refusal("451", "451 Local error.", notStored, later, wait),
    "452 No room.": refusal("452: no room", "452 No room.", notStored, full, fullAnswer),
    "503 Bad sequence.": refusal("503", "503 Bad sequence.", notStored, "A new session may cure that.", {
      kind: "unavailable",
      maxAttempts: 2,
    }),
    "522 Encrypt the data.": refusal("522", "522 Encrypt the data.", notStored, noTls, { kind: "invalid" }),
    "530 Not logged in.": refusal(
      "530 after the login",
      "530 Not logged in.",
      notStored,
      credentials,
      locked,
    ),
    "532 Need account for storing.": refusal(
      "532 after the login",
      "532 Need account for storing.",
      notStored,
      credentials,
      locked,
    ),
    "552 Quota exceeded.": refusal(
      "552: the quota is used up",
      "552 Quota exceeded.",
      notStored,
      full,
      fullAnswer,
    ),
  },
  /** The temporary name is not liked, and the name itself is taken: there is no other way. */
  name: {
    "501 Bad name.": refusal("501", "501 Bad name.", notStored, badName, { kind: "rejected" }),
    "504 Not for that.": refusal("504", "504 Not for that.", notStored, badName, { kind: "rejected" }),
    "550 Permission denied.": refusal("550: no permission", "550 Permission denied.", notStored, permission, {
      kind: "denied",
    }),
    "550 File is locked.": refusal(
      "550 that speaks of a locked or busy file",
      "550 File is locked.",
      notStored,
      later,
      wait,
    ),
    "551 Page type unknown.": refusal("551", "551 Page type unknown.", notStored, badName, {
      kind: "rejected",
    }),
    "553 Name not allowed.": refusal("553", "553 Name not allowed.", notStored, badName, {
      kind: "rejected",
    }),
  },
  RNTO: {
    "450 Busy.": refusal("450 to the renaming", "450 Busy.", notRenamed, later, wait),
    "452 No room.": refusal("452 to the renaming", "452 No room.", notRenamed, full, fullAnswer),
    "530 Not allowed.": refusal("530 to the renaming", "530 Not allowed.", notRenamed, credentials, locked),
    "553 Name not allowed.": refusal("553 to the renaming", "553 Name not allowed.", notRenamed, badName, {
      kind: "rejected",
    }),
  },
} as const satisfies Record<string, Record<string, Symptom>>;

/** The transfer breaks off: whichever end notices first. */
export const cut: Symptom = {
  symptom: "426: the server says that the data connection was cut",
  kind: "unavailable",
  code: "426",
  says: `{Where} ${notStored}: 426 {*Failure reading network stream}. The transfer was cut. If it goes on, look at the firewall and at the server's log.`,
};
