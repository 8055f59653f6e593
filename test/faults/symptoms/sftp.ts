import type { Symptom } from "./symptom";

export const during = {
  connecting:
    "while connecting. Check that it speaks SSH at that port; it may also limit how many connections it takes at once",
  login: "during the login",
  storing: "while storing {path}{*.4f1c2e….part}",
  looking: "while looking at {path}{*.4f1c2e….part}",
  renaming: "while renaming the upload to {path}report.csv",
} as const;
type During = (typeof during)[keyof typeof during];

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

export const damaged: Symptom = {
  symptom: "The line damages what is sent: SSH notices, and ends the session",
  kind: "unavailable",
  code: "SSH_DISCONNECT_2",
  says: "{Where} ended the session {*while storing .4f1c2e….part}: {*Packet corrupt.}",
};
