// Writes the table of what people read when something fails: `npx tsx scripts/error-table.ts`.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Attempt, decideRetry, type ErrorRecord, retryableKinds, standardPolicy } from "../src/lib";
import { type SymptomsOfWriter, symptomsByWriter } from "../test/faults/symptoms";
import { type Symptom, sentenceOf } from "../test/faults/symptoms/symptom";

export const errorTableFile = join(__dirname, "../resources/errors.md");

/** The whole file, made of the data of the tests that provoke each of these errors. */
export function errorTable(): string {
  const head = `# What you read when something fails

Made by \`scripts/error-table.ts\` from the table of the tests: each line was provoked, and is read word for word. Names and numbers are examples.
What is done is the retry node's _standard_: 6 attempts within an hour. \`code\` is \`msg.error.code\`; the kinds are explained in the README.

Where the last byte may have arrived and only the answer was lost, the writers look before they send again: on a new connection they ask for the size, or for the delivery's id. If the content is there, it is delivered, and the receipt's notes say so: _The server's last answer was lost; a new session found the file in its place._ A file that is already there stays until the new one has arrived as a whole.
`;
  return [head, ...symptomsByWriter.map(sectionOf)].join("\n");
}

function sectionOf({ title, place, symptoms }: SymptomsOfWriter): string {
  const lines = symptoms.map((symptom) => {
    const cells = [symptom.symptom, `\`${symptom.kind}\``, `\`${symptom.code}\``, sentenceOf(symptom, place)];
    return [...cells, doneAbout(symptom)].map((cell) => cell.replaceAll("|", "\\|")).join(" | ");
  });
  const head = [
    "| what happens | kind | code | what you read | what is done |",
    "| --- | --- | --- | --- | --- |",
  ];
  return `## ${title}\n\n${[...head, ...lines.map((line) => `| ${line} |`)].join("\n")}\n`;
}

/** What the standard policy makes of an error that comes again and again. */
function doneAbout({ kind, code, says, maxAttempts, retryAfterMs }: Symptom): string {
  const error: ErrorRecord = {
    ...{ kind, code, message: says, retryable: retryableKinds.includes(kind) },
    ...(maxAttempts !== undefined && { maxAttempts }),
    ...(retryAfterMs !== undefined && { retryAfterMs }),
  };
  const attempts: Attempt[] = [];
  do attempts.push({ n: attempts.length + 1, startedAt: 0, elapsedMs: 0, error });
  while (attempts.length < 50 && decideRetry(standardPolicy, { attempts, error, elapsedMs: 0 }).retry);
  if (attempts.length === 1) return "It is given up at once.";
  if (attempts.length === 50)
    return "It waits, as often as needed within the time limit; no attempt is counted.";
  const wait = retryAfterMs === undefined ? "" : `, ${retryAfterMs / 1000} s apart`;
  return `It is tried again, ${attempts.length} attempts in all${wait}.`;
}

if (require.main === module) writeFileSync(errorTableFile, errorTable());
