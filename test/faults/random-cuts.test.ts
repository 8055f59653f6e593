import { randomInt } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { requireTool } from "../support/required";
import { vsftpdPath } from "../support/vsftpd";
import { play } from "./play";
import { type FaultRow, usualBytes } from "./row";
import type { Stage } from "./scene";
import { vsftpd } from "./stages/ftp";
import { embeddedS3 } from "./stages/s3";
import { whatIsWrong } from "./verdict";

const uploads = Number(process.env.FAULT_UPLOADS ?? 40);
const seed = Number(process.env.FAULT_SEED ?? randomInt(2 ** 31));
const atOnce = 4;

/** Numbers from 0 to 1, the same ones for the same seed: the constants are those of Numerical Recipes. */
function randomNumbers(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

/** A cut at some byte of either side, on any connection; two of three hit the content. */
function cutsOf(random: () => number, lines: readonly ("main" | "data")[]): FaultRow[] {
  return Array.from({ length: uploads }, (_, n) => {
    const line = lines[n % lines.length] ?? "main";
    const from = line === "main" && n % 3 === 0 ? "server" : "client";
    const most = from === "client" && line === lines.at(-1) ? usualBytes : 600;
    const when = { at: "byte", n: Math.floor(random() * most), from } as const;
    return {
      ...{ phase: `byte ${when.n} of the ${from}, ${line}`, fault: "cut" },
      ...{
        proxy: { line, when, do: "reset", times: 1 + (n % 2) },
        ends: "delivered",
        attempts: { atLeast: 1 },
      },
    };
  });
}

describe.each<[string, (() => Stage) | false, readonly ("main" | "data")[]]>([
  ["FTP on vsftpd", requireTool("vsftpd", vsftpdPath) && (() => vsftpd()), ["main", "data"]],
  ["S3", embeddedS3, ["main"]],
])(`uploads to %s, each cut at a random byte (FAULT_SEED=${seed})`, (_name, create, lines) => {
  if (!create) return;
  const stage = create();
  beforeAll(() => stage.start());
  afterAll(() => stage.stop());

  test(`${uploads} whole files, nothing else`, { timeout: 60_000 + uploads * 3_000 }, async () => {
    const rows = cutsOf(randomNumbers(seed), lines).entries();
    const bad: string[] = [];
    let cuts = 0;
    const work = async () => {
      for (const [n, row] of rows) {
        const played = await play(await stage.scene(`cut-${n}`, row), row);
        cuts += played.strikes[0] ?? 0;
        const wrong = whatIsWrong(played);
        if (wrong.length > 0) bad.push(`${row.phase}: ${wrong.join(", ")}`);
      }
    };
    await Promise.all(Array.from({ length: atOnce }, work));
    process.stderr.write(`${uploads} uploads, ${cuts} cuts, FAULT_SEED=${seed}\n`);
    expect(bad).toEqual([]);
    expect(cuts).toBeGreaterThan(uploads / 2);
  });
});
