/** What comes of an example when each of its buttons is pressed. */
export interface Story {
  /** Where something arrives, by location in order, and what, where that is known beforehand. */
  arrivals: readonly [location: RegExp, content?: RegExp][];
  /** Recipient and subject of each mail, in order. */
  mails?: readonly RegExp[];
  /** How many messages its debug nodes show, by their names. The others show none. */
  shown?: Readonly<Record<string, number>>;
  logged?: RegExp;
  /** Its text says how often to press its buttons. Once by default. */
  presses?: number;
}

const day = String.raw`\d{4}/\d\d/\d\d`;
const month = String.raw`\d{4}/\d\d`;
const partner = String.raw`^ftp://localhost:\d+`;
const bucket = "^s3://demo";
const greeting = /^Good morning! It is \d\d:\d\d/;
const customers = /^customer,city,orders\r\n"Ärzte & Söhne","Köln","12"\r\n(.+\r\n){2}$/;

/** By the names of the files in examples/. */
export const stories: Readonly<Record<string, Story>> = {
  "daily customer report": {
    arrivals: [[new RegExp(`${bucket}/customers/${month}/customers-[\\d-]{10}\\.csv$`), customers]],
    mails: [
      /^operations@example\.com: No customer report on \d{4}/,
      /^sales@example\.com: Customers on \d{4}/,
    ],
  },
  "data source": { arrivals: [], shown: { source: 5 } },
  "ftp writer": {
    arrivals: [
      [new RegExp(`${partner}/incoming/${day}/greeting-1\\.txt$`), greeting],
      [new RegExp(`${partner}/incoming/${day}/greeting\\.txt$`), greeting],
    ],
    shown: { "delivered: where": 2 },
    presses: 2,
  },
  "folder writer": {
    arrivals: [
      [new RegExp(`^file:///.*/outgoing/${day}/greeting-1\\.txt$`), greeting],
      [new RegExp(`^file:///.*/outgoing/${day}/greeting\\.txt$`), greeting],
    ],
    shown: { "delivered: where": 2 },
    presses: 2,
  },
  notify: {
    arrivals: [[new RegExp(`${bucket}/greetings/${month}/greeting\\.txt$`), greeting]],
    mails: [/^admin@example\.com: A greeting is in S3$/],
    logged: /Delivered: s3:/,
  },
  "one file to s3 and ftp at once": {
    arrivals: [
      [new RegExp(`${partner}/price-lists/price-list\\.csv$`), /^article;price;currency\n/],
      [new RegExp(`${bucket}/price-lists/${month}/price-list\\.csv$`), /^article;price;currency\n/],
    ],
    mails: [/^operations@example\.com: Delivered: ftp/, /^operations@example\.com: Delivered: s3:/],
  },
  retry: { arrivals: [], shown: { "retrying: when": 3, "gave up: why": 1 } },
  "s3 writer": {
    arrivals: [[new RegExp(`${bucket}/greetings/${day}/greeting\\.txt$`), greeting]],
    shown: { "delivered: the link": 1 },
  },
  schedule: {
    arrivals: [
      [
        new RegExp(`${partner}/reports/\\d{4}/report-[\\d-]{10}\\.txt$`),
        /^The report that was due now, made at \d{4}-/,
      ],
    ],
    logged: /Delivered: ftp/,
  },
  "sftp writer": {
    arrivals: [
      [new RegExp(`^sftp://127\\.0\\.0\\.1:\\d+/~/incoming/${day}/greeting-1\\.txt$`), greeting],
      [new RegExp(`^sftp://127\\.0\\.0\\.1:\\d+/~/incoming/${day}/greeting\\.txt$`), greeting],
    ],
    shown: { "delivered: where": 2 },
    presses: 2,
  },
  store: {
    arrivals: [[new RegExp(`${partner}/incoming/${day}/greeting\\.txt$`), greeting]],
    shown: { "delivered: where": 1 },
  },
  "the scheduler": {
    arrivals: [
      [new RegExp(`${partner}/incoming/${month}/random-[\\d-]+\\.bin$`)],
      [new RegExp(`${bucket}/logs/${day}/random-[\\d-]+\\.bin$`)],
    ],
    mails: [
      /^admin@example\.com: Delivered: ftp/,
      /^admin@example\.com: Delivered: s3:/,
      /^admin@example\.com: Not delivered: ftp.* \(unavailable\)$/,
    ],
    // Two for the server that is down, one for the one that is busy for once.
    shown: { "trying again": 3 },
  },
};
