import { beforeEach } from "vitest";
import { type FlowNode, type Message, type Runtime, useRuntime } from "./runtime";
import {
  bucket,
  credentialsOf,
  dataSource,
  ends,
  ftpConnection,
  ftpWriter,
  retry,
  type Servers,
  s3Connection,
  s3Writer,
  smtpConnection,
  useServers,
  watchers,
} from "./servers";

/** Servers and a runtime for the tests of one file, and the flows that they are about. */
interface Bench {
  servers: Servers;
  runtime: Runtime;
}

function useBench(): Bench {
  const servers = useServers();
  const runtime = useRuntime();
  beforeEach(() => {
    servers.smtp.hook = undefined;
    servers.ftp.hook = undefined;
  });
  return { servers, runtime };
}

/** The given writers, with the ends `delivered` and `failed`; `writer` is watched. */
export function useWriters() {
  const { servers, runtime } = useBench();
  const load = (...writers: FlowNode[]) =>
    runtime.load(
      [
        s3Connection(servers),
        ftpConnection(servers),
        ...writers,
        ...ends("delivered", "failed"),
        ...watchers("writer"),
      ],
      credentialsOf(servers),
    );
  return { servers, runtime, load };
}

/** One S3 writer, with the ends `delivered` and `failed`; `writer` is watched. */
export function useS3Writer() {
  const { servers, runtime } = useBench();
  const load = (settings: Record<string, unknown> = {}) =>
    runtime.load(
      [s3Connection(servers), s3Writer(settings), ...ends("delivered", "failed"), ...watchers("writer")],
      credentialsOf(servers),
    );
  const stored = (key: string, name = bucket) => servers.s3.buckets.get(name)?.objects.get(key);
  return { servers, runtime, load, stored };
}

/** Waits that a test can wait for. */
export const quick = { preset: "custom", attempts: "3", firstDelaySeconds: "0.05", jitterPercent: "0" };

/** A retry node behind the given writers, or behind one to FTP; `retry` is watched. */
export function useRetry() {
  const { servers, runtime } = useBench();
  const load = (policy: Record<string, unknown>, ...nodes: FlowNode[]) => {
    const writers = nodes.length > 0 ? nodes : [ftpWriter({ wires: [["delivered"], ["retry", "failed"]] })];
    return runtime.load(
      [
        s3Connection(servers),
        ftpConnection(servers),
        ...writers,
        retry(policy),
        ...ends("delivered", "failed", "retrying", "gaveUp"),
        ...watchers("retry"),
      ],
      credentialsOf(servers),
    );
  };
  /** Fails the first so many uploads. */
  const failStor = (times: number, reply = "450 Busy") => {
    let left = times;
    servers.ftp.hook = (command) => (command === "STOR" && left-- > 0 ? { reply } : undefined);
  };
  return { servers, runtime, load, failStor };
}

/** The given nodes, connections to all three servers, and every end; `notify` is watched. */
export function useNotify() {
  const { servers, runtime } = useBench();
  const flow = (...nodes: FlowNode[]) => [
    s3Connection(servers),
    ftpConnection(servers),
    smtpConnection(servers),
    ...nodes,
    ...ends("delivered", "failed", "sent", "unsent", "gaveUp", "retrying"),
    ...watchers("notify"),
  ];
  const load = (...nodes: FlowNode[]) => runtime.load(flow(...nodes), credentialsOf(servers));
  const deploy = (...nodes: FlowNode[]) => runtime.deploy(flow(...nodes), "nodes");
  const mailsAbout = (subject: RegExp) =>
    servers.smtp.messages.filter((mail) => subject.test(mail.subject ?? ""));
  return { servers, runtime, load, deploy, mailsAbout };
}

/** One data source, which is watched, with the end `out`. */
export function useDataSource(runtime: Runtime) {
  const load = (settings: Record<string, unknown>) =>
    runtime.load([dataSource(settings), ...ends("out"), ...watchers("source")]);
  const sourceOf = async (
    settings: Record<string, unknown>,
    msg: Message = { payload: "p" },
  ): Promise<Message> => {
    await load(settings);
    runtime.send("source", msg);
    return runtime.next("out");
  };
  return { load, sourceOf };
}
