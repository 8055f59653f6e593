import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { oldContent, type Played, play } from "./play";
import type { FaultRow } from "./row";
import type { Scene, Stage } from "./scene";
import { patternOf } from "./symptoms/symptom";

/**
 * Plays every row, some at a time: whatever goes wrong, the delivery ends delivered or visibly given up,
 * nobody sees half a file, nothing is left behind, and people read what the row says. A rejection that
 * nobody handles fails the run by itself.
 */
export function describeFaults(stage: Stage, rows: readonly FaultRow[]): void {
  describe(`faults: ${stage.name}`, () => {
    beforeAll(() => stage.start());
    afterAll(() => stage.stop());

    test("no row is there twice", () => {
      const titles = rows.map(titleOf);
      expect(titles.filter((title, at) => titles.indexOf(title) !== at)).toEqual([]);
    });

    test.concurrent.each(rows.map((row, n) => [titleOf(row), row, n] as const))(
      "%s",
      async (_title, row, n) => {
        const scene = await stage.scene(`row-${n}`, row);
        check(scene, row, await play(scene, row));
      },
    );
  });
}

function titleOf({ phase, fault }: FaultRow): string {
  return `${phase}: ${fault}`;
}

function check(scene: Scene, row: FaultRow, played: Played): void {
  const { delivery, content, found, leftovers, strikes } = played;
  const failures = delivery.attempts.flatMap(({ error }) => error ?? []);
  for (const { kind, code, message, maxAttempts, retryAfterMs } of failures) {
    const error = { kind, code, maxAttempts, retryAfterMs };
    const said = (row.says ?? []).find((symptom) => patternOf(symptom, scene).test(withoutLeftover(message)));
    expect(said, `"${message}" is a sentence of this row`).toBeDefined();
    const { kind: k, code: c, maxAttempts: m, retryAfterMs: r } = said ?? { kind };
    expect(error, message).toEqual({ kind: k, code: c, maxAttempts: m, retryAfterMs: r });
  }
  if (row.ends === "gave-up") expect(delivery.reason, "why it was given up").toMatch(/^\S.*\.$/);
  const told = failures.map(({ message }) => message).join("\n");
  expect({
    ends: delivery.state,
    attempts: attemptsAsExpected(row, delivery.attempts.length),
    partialSightings: played.partial,
    content: found?.equals(row.ends === "delivered" ? content : oldContent),
    sha256: delivery.receipt?.sha256,
    leftovers: leftovers.filter((name) => !told.includes(name) && !row.leaves?.test(name)),
    openConnections: played.open,
  }).toEqual({
    ends: row.ends,
    attempts: row.attempts,
    partialSightings: 0,
    content: true,
    sha256: row.ends === "delivered" ? played.sha256 : undefined,
    leftovers: [],
    openConnections: 0,
  });
  expect(played.looks, "looks at the target").toBeGreaterThan(0);
  expect(Math.min(...strikes, 1), "the fault has struck").toBe(1);
  const notes = delivery.receipt?.notes.join(" ") ?? "";
  if (row.note) expect(notes).toMatch(row.note);
  else expect(notes).toBe("");
  for (const secret of scene.secrets) expect(played.said).not.toContain(secret);
}

/** What a writer adds that could not clean up either. */
function withoutLeftover(message: string): string {
  return message.replace(/ The unfinished upload \S+ may still be there\.$/, "");
}

function attemptsAsExpected({ attempts }: FaultRow, made: number): FaultRow["attempts"] {
  return typeof attempts === "object" && made >= attempts.atLeast ? attempts : made;
}
