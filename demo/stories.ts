import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { FlowNode } from "./node-red";

/** A button of a story, and what must come of it. */
export interface Run {
  /** The name of the story's file in examples/. */
  story: string;
  /** The name of its inject node. */
  button: string;
  /** It is pressed by its own clock. */
  bySelf?: boolean;
  deliveries: ExpectedDelivery[];
  mails: ExpectedMail[];
}

export interface ExpectedDelivery {
  /** The name of the writer node. */
  writer: string;
  to: "s3" | "ftp" | "nowhere";
  target: RegExp;
  attempts: number;
  /** Whether it sends the playground's file, so that the content is known beforehand. */
  isFile?: boolean;
}

export interface ExpectedMail {
  to: string;
  subject: RegExp;
  /** Whether it must have a link that opens what was delivered. */
  link?: boolean;
}

const date = String.raw`\d{4}-\d\d-\d\d`;

/** In the order in which they are run. */
export const runs: readonly Run[] = [
  {
    story: "the scheduler",
    button: "every hour",
    deliveries: [
      {
        writer: "to S3, in the folder logs/",
        to: "s3",
        target: /^logs\/\d{4}\/\d\d\/\d\d\/random-[\d-]+\.bin$/,
        attempts: 1,
      },
    ],
    mails: [{ to: "admin@example.com", subject: /^Delivered: s3:/ }],
  },
  {
    story: "the scheduler",
    button: "midnight, Mon–Fri",
    deliveries: [
      {
        writer: "to the partner's server",
        to: "ftp",
        target: /^incoming\/\d{4}\/\d\d\/random-[\d-]+\.bin$/,
        attempts: 2,
      },
    ],
    mails: [{ to: "admin@example.com", subject: /^Delivered: ftp/ }],
  },
  {
    story: "daily customer report",
    button: "every day at 06:00",
    deliveries: [
      {
        writer: "to S3, with a link",
        to: "s3",
        target: new RegExp(String.raw`^customers/\d{4}/\d\d/customers-${date}\.csv$`),
        attempts: 1,
      },
    ],
    mails: [{ to: "sales@example.com", subject: new RegExp(`^Customers on ${date}$`), link: true }],
  },
  {
    story: "daily customer report",
    button: "try: no customers",
    deliveries: [],
    mails: [{ to: "operations@example.com", subject: new RegExp(`^No customer report on ${date}$`) }],
  },
  {
    story: "one file to s3 and ftp at once",
    button: "send it now",
    deliveries: [
      {
        writer: "to S3",
        to: "s3",
        target: /^price-lists\/\d{4}\/\d\d\/price-list\.csv$/,
        attempts: 1,
        isFile: true,
      },
      {
        writer: "to the partner",
        to: "ftp",
        target: /^price-lists\/price-list\.csv$/,
        attempts: 1,
        isFile: true,
      },
    ],
    mails: [
      { to: "operations@example.com", subject: /^Delivered: s3:/ },
      { to: "operations@example.com", subject: /^Delivered: ftp/ },
    ],
  },
  {
    story: "the scheduler",
    button: "once, after 5 s",
    bySelf: true,
    deliveries: [
      {
        writer: "to a server that is down",
        to: "nowhere",
        target: /^incoming\/random-[\d-]+\.bin$/,
        attempts: 3,
      },
    ],
    mails: [{ to: "admin@example.com", subject: /^Not delivered: ftp.*\(unavailable\)$/ }],
  },
];

export interface Stories {
  /** All of them side by side, ready to deploy. Connections that several of them have are there once. */
  readonly flows: readonly FlowNode[];
  /** @throws Error when the story has no such node */
  idOf(story: string, nodeName: string): string;
}

export function loadStories(): Stories {
  const names = [...new Set(runs.map(({ story }) => story))];
  const stories = new Map(names.map((name) => [name, readExample(name)]));
  const byId = new Map([...stories.values()].flat().map((node) => [node.id, node]));
  return {
    flows: [...byId.values()],
    idOf(story, nodeName) {
      const node = stories.get(story)?.find(({ name, z }) => name === nodeName && z);
      if (!node) throw new Error(`The story "${story}" has no node "${nodeName}" any more.`);
      return node.id;
    },
  };
}

function readExample(name: string): FlowNode[] {
  return JSON.parse(readFileSync(join(__dirname, "../examples", `${name}.json`), "utf8"));
}
