import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import type { DiskOwner } from "./disk-target";

/** A user of this machine that exists as long as a test needs it. */
export interface Login {
  user: string;
  password: string;
  owner: DiskOwner;
  remove(): Promise<void>;
}

/** @param home is not made */
export async function addLogin(home: string): Promise<Login> {
  if (process.getuid?.() !== 0)
    throw new Error("The server needs a login of its own, which only root can add.");
  const user = `ddtest-${randomBytes(4).toString("hex")}`;
  const password = randomBytes(12).toString("hex");
  // pam_shells refuses users without a shell of /etc/shells.
  await account("useradd", ["--no-create-home", "--home-dir", home, "--shell", "/bin/sh", user]);
  // A test run that is broken off must not leave a login behind.
  const removeAtExit = () => execFileSync("userdel", ["--force", user], { stdio: "ignore" });
  process.once("exit", removeAtExit);
  const remove = async () => {
    process.off("exit", removeAtExit);
    await account("userdel", ["--force", user]);
  };
  await account("chpasswd", [], `${user}:${password}\n`);
  const numberOf = (flag: string) => Number(execFileSync("id", [flag, user], { encoding: "utf8" }));
  return { user, password, owner: { uid: numberOf("-u"), gid: numberOf("-g") }, remove };
}

/** These tools give up at once when another one holds the lock on /etc/passwd: other tests start servers too. */
async function account(tool: string, parameters: readonly string[], input = ""): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      execFileSync(tool, parameters, { input, stdio: "pipe" });
      return;
    } catch (error) {
      if (attempt === 20 || !/lock/.test(String(error))) throw error;
      await sleep(250);
    }
  }
}
