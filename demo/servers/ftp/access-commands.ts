import { timingSafeEqual } from "node:crypto";
import type { FtpCommand } from "./session";

const mostFailedLogins = 3;

/** Who is there, and over what kind of connection: RFC 959 §4.1.1, 2389, 4217. */
export const accessCommands: Readonly<Record<string, FtpCommand>> = {
  USER(session, name) {
    if (session.server.tls && !session.secure) return "530 Use AUTH TLS first.";
    session.user = name;
    session.loggedIn = false;
    return "331 And the password?";
  },

  PASS(session, password) {
    if (session.user === "") return "503 Send USER first.";
    const { server } = session;
    session.loggedIn = equal(session.user, server.user) && equal(password, server.password);
    if (session.loggedIn) return "230 Logged in.";
    session.failedLogins++;
    if (session.failedLogins >= mostFailedLogins) return "421 Too many failed logins.";
    return "530 User or password is wrong.";
  },

  AUTH(session, mechanism) {
    if (!/^(TLS|TLS-C|SSL)$/i.test(mechanism)) return "504 Only TLS is known here.";
    if (session.server.tls?.mode !== "explicit") return "502 AUTH is not implemented.";
    if (session.secure) return "503 The connection uses TLS already.";
    session.afterReply = () => session.upgrade();
    return "234 Go on with TLS.";
  },

  PBSZ: (session) => (session.secure ? "200 PBSZ=0" : "503 Use AUTH TLS first."),

  PROT(session, level) {
    if (!session.secure) return "503 Use AUTH TLS first.";
    if (!/^[CP]$/i.test(level)) return "536 Only C and P are known here.";
    session.protectData = level.toUpperCase() === "P";
    return "200 Done.";
  },

  FEAT(session) {
    const tls = session.server.tls?.mode === "explicit" ? [" AUTH TLS"] : [];
    const protection = session.server.tls ? [" PBSZ", " PROT"] : [];
    const files = [" EPSV", " MDTM", " MLST type*;size*;modify*;", " REST STREAM", " SIZE", " UTF8"];
    return ["211-Features:", ...tls, ...protection, ...files, "211 End"].join("\r\n");
  },

  OPTS(_session, option) {
    if (/^UTF-?8( ON)?$/i.test(option)) return "200 Names are in UTF-8.";
    if (/^MLST( |$)/i.test(option)) return "200 MLST OPTS type;size;modify;";
    return "501 That is no option here.";
  },

  SYST: () => "215 UNIX Type: L8",
  NOOP: () => "200 Here I am.",
  ALLO: () => "202 Not needed.",
  STRU: (_session, structure) => (/^F$/i.test(structure) ? "200 Done." : "504 Only F is known here."),
  MODE: (_session, mode) => (/^S$/i.test(mode) ? "200 Done." : "504 Only S is known here."),
  // Like vsftpd, both types move bytes as they are.
  TYPE: (_session, type) =>
    /^([AI]|A N|L 8)$/i.test(type) ? "200 Done." : "504 Only A and I are known here.",

  QUIT(session) {
    session.afterReply = () => session.cut();
    return "221 Goodbye.";
  },
};

function equal(a: string, b: string): boolean {
  const [left, right] = [Buffer.from(a), Buffer.from(b)];
  return left.length === right.length && timingSafeEqual(left, right);
}
