import type { Finding } from "./check-run";
import type { NodeRed } from "./node-red";
import type { Playground } from "./playground";
import type { Run } from "./stories";

const colourful = process.stdout.isTTY === true && !process.env.NO_COLOR;
const paint = (code: number) => (text: string) => (colourful ? `\u001b[${code}m${text}\u001b[0m` : text);
const bold = paint(1);
const dim = paint(2);
const red = paint(31);
const green = paint(32);
const yellow = paint(33);
const blue = paint(36);

const marks: Readonly<Record<Finding["mark"], string>> = {
  delivered: green("✔ delivered"),
  retried: yellow("↻ retried  "),
  "gave up": yellow("✖ gave up  "),
  mail: blue("✉ mail     "),
  wrong: red("✘ WRONG    "),
};
const indent = " ".repeat(15);

export function printTitle(): void {
  console.log(`\n${bold("Data distribution for Node-RED: the demo")}\n`);
}

export function printServers(
  { s3, ftp, smtp, bucket }: Playground,
  { url, port }: NodeRed,
  wanted: number,
): void {
  console.log(`  S3      ${s3.endpoint}, bucket ${bucket}`);
  console.log(`  FTP     localhost:${ftp.port}, with TLS`);
  console.log(`  SMTP    localhost:${smtp.port}, with STARTTLS`);
  console.log(`  editor  ${url}${port === wanted ? "" : `   (port ${wanted} is in use)`}`);
}

export function printRun({ story, button }: Run, findings: readonly Finding[]): void {
  console.log(`\n${bold(story)} ${dim("·")} ${button}`);
  printFindings(findings);
}

/** @returns whether everything went as it should */
export function printSummary(findings: readonly Finding[]): boolean {
  const count = (mark: Finding["mark"]) => findings.filter((finding) => finding.mark === mark).length;
  const failures = findings.filter(({ mark }) => mark === "wrong");
  console.log("");
  if (failures.length === 0) {
    const read = `${count("delivered")} files delivered and read back byte for byte`;
    console.log(green(`All as it should be: ${read}, ${count("gave up")} given up, ${count("mail")} mails.`));
    return true;
  }
  console.log(red("Not everything went as it should:"));
  for (const { text } of failures) console.log(red(`  ${text}`));
  return false;
}

export function printTaken(): void {
  console.log("\nAnother demo is running: what this one makes does not survive a kill -9.");
}

export function printLeft(locations: readonly string[]): void {
  console.log(`\n${bold("The last demo was killed before everything had ended. It goes on:")}`);
  for (const location of locations) console.log(`  ${location}`);
}

export function printFindings(findings: readonly Finding[]): void {
  for (const { mark, text, detail } of findings) {
    console.log(`  ${marks[mark]}  ${text}`);
    for (const line of detail?.split("\n") ?? []) console.log(`${indent}${dim(line)}`);
  }
}

export function printWaiting({ url, logFile }: NodeRed): void {
  console.log(`\nNow it is yours: ${bold(url)}`);
  console.log(dim(`Node-RED's log is ${logFile}.`));
  console.log(
    "Ctrl+C ends the demo and removes all that it made; after a kill -9 the next one goes on with it.",
  );
  console.log("What you deliver appears here:\n");
}
