import type { S3Client } from "@aws-sdk/client-s3";
import { DeliveryError } from "../../errors";
import { isProxied, storeAgents } from "./agents";
import { s3Credentials } from "./credentials";
import { classifyS3Error, interrupted, type S3ErrorPlace } from "./errors";
import type { S3ConnectionOptions } from "./options";
import { sendRepeatedly } from "./repeat";

export type S3Sdk = typeof import("@aws-sdk/client-s3");

export interface SendOptions {
  signal: AbortSignal;
  /** The size of the body, for the time that the request may take. */
  bytes?: number;
  /** Called before the request is sent again, with what it failed of. */
  onRepeat?: (error: unknown) => void;
}

/** One store and one identity, with a pool of sockets that several writers may share. */
export interface S3Connection {
  /** For sentences: `Amazon S3 in eu-central-1`, `the S3 server https://s3.example.com (region us-east-1)`. */
  readonly description: string;
  readonly options: S3ConnectionOptions;
  /**
   * Loads the SDK and makes the client on first use.
   * @throws DeliveryError `invalid` when an optional package is missing
   */
  client(): Promise<S3Client>;
  sdk(): Promise<S3Sdk>;
  /**
   * Runs one request, up to three times when it fails of something that passes. It ends at once with the
   * signal; a try ends after `idleTimeoutMs` without a byte, and when it takes longer than the body would at
   * 16 KiB/s.
   * @throws whatever the SDK throws; `explain` makes a sentence of it
   */
  send<T>(
    request: (client: S3Client, options: { abortSignal: AbortSignal; requestTimeout: number }) => Promise<T>,
    options: SendOptions,
  ): Promise<T>;
  explain(
    error: unknown,
    place: Pick<S3ErrorPlace, "step"> & { bucket?: string; key?: string },
  ): DeliveryError;
  /** Ends all requests and closes the sockets. */
  close(): void;
}

const slowestBytesPerMs = 16;

const silent = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };

/** Connects on first use. */
export function createS3Connection(options: S3ConnectionOptions): S3Connection {
  const description =
    options.endpoint === undefined
      ? `Amazon S3 in ${options.region}`
      : `the S3 server ${options.endpoint} (region ${options.region})`;
  const secrets = [options.secretAccessKey, options.sessionToken, options.accessKeyId].filter(
    (secret): secret is string => secret !== undefined,
  );
  const running = new Set<AbortController>();
  let made: Promise<S3Client> | undefined;
  let closed = false;

  const client = async (): Promise<S3Client> => {
    if (closed) throw new DeliveryError("cancelled", "The S3 connection was closed.");
    made ??= createClient(options).catch((error: unknown) => {
      // Nothing was made: the next delivery tries anew.
      made = undefined;
      throw error;
    });
    return made;
  };

  const explain: S3Connection["explain"] = (error, place) =>
    classifyS3Error(error, {
      ...place,
      where: description,
      region: options.region,
      authentication: options.authentication,
      virtualHost: !options.pathStyle,
      proxied: isProxied(),
      secrets,
    });

  return {
    description,
    options,
    client,
    sdk: loadSdk,
    async send(request, { signal, bytes = 0, onRepeat }) {
      if (signal.aborted) throw interrupted();
      // One controller a request, not AbortSignal.any: that leaks on early versions of Node.js 20.
      const controller = new AbortController();
      const abort = () => controller.abort();
      running.add(controller);
      signal.addEventListener("abort", abort, { once: true });
      try {
        const requestTimeout = options.idleTimeoutMs + Math.ceil(bytes / slowestBytesPerMs);
        const open = await client();
        return await sendRepeatedly(() => request(open, { abortSignal: controller.signal, requestTimeout }), {
          signal: controller.signal,
          explain: (error) => explain(error, { step: "store" }),
          onRepeat,
        });
      } finally {
        running.delete(controller);
        signal.removeEventListener("abort", abort);
      }
    },
    explain,
    close() {
      closed = true;
      for (const controller of running) controller.abort();
      made?.then(
        (open) => open.destroy(),
        () => {},
      );
    },
  };
}

function loadSdk(): Promise<S3Sdk> {
  return import("@aws-sdk/client-s3");
}

async function createClient(options: S3ConnectionOptions): Promise<S3Client> {
  const [{ S3Client }, credentials] = await Promise.all([loadSdk(), s3Credentials(options)]);
  const checksums = options.checksums === "required" ? "WHEN_REQUIRED" : "WHEN_SUPPORTED";
  return new S3Client({
    region: options.region,
    forcePathStyle: options.pathStyle,
    requestChecksumCalculation: checksums,
    responseChecksumValidation: checksums,
    // What is sent again is to be counted and told: `send` does it.
    maxAttempts: 1,
    logger: silent,
    requestHandler: {
      connectionTimeout: options.connectTimeoutMs,
      socketTimeout: options.idleTimeoutMs,
      // Without it the SDK only prints a warning when a request takes too long.
      throwOnRequestTimeout: true,
      ...storeAgents(options),
    },
    ...(options.endpoint !== undefined && { endpoint: options.endpoint }),
    ...(credentials && { credentials }),
  });
}
