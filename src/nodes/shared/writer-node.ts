import path from "node:path";
import type { Node, NodeAPI, NodeDef, NodeMessage } from "node-red";
import {
  DeliveryError,
  payloadSource,
  prepareSource,
  readOptions,
  readSourceSpec,
  renderTemplate,
  type SourceSpec,
  type Spool,
  type Writer,
  writerAttempt,
} from "../../lib";
import { useConnection } from "./connection-node";
import { type DeliveryWork, type DraftOf, runDeliveries } from "./delivery-node";
import { fromRows, type NamedValue, renderAll, templateView } from "./template-view";

export interface WriterNodeDef extends NodeDef {
  connection: string;
  metadata?: NamedValue[];
  concurrency?: string | number;
  timeZone?: string;
}

/** What tells one writer node from the others. */
export interface WriterNodeKind<Config extends WriterNodeDef, Connection> {
  type: string;
  connectionType: string;
  /** For sentences: `S3 connection`. */
  connectionLabel: string;
  /** @throws DeliveryError `invalid` that lists every problem of the settings */
  createWriter(connection: Connection, config: Config): Writer;
  targetTemplate(config: Config): string;
  contentTypeTemplate?(config: Config): string;
  /** Templates of `WriteRequest.attributes`. */
  attributeTemplates?(config: Config): Record<string, string | undefined>;
}

/** Registers a node that delivers each message's content through a writer of the library. */
export function registerWriterNode<Config extends WriterNodeDef, Connection>(
  RED: NodeAPI,
  kind: WriterNodeKind<Config, Connection>,
): void {
  RED.nodes.registerType(kind.type, function construct(this: Node, config: Config) {
    RED.nodes.createNode(this, config);
    const render = renderFor(RED, this, config, kind);
    runDeliveries(RED, this, "delivery", ({ spool }) => {
      const { connection, release } = useConnection<Connection>(
        RED,
        config.connection,
        kind.connectionType,
        kind.connectionLabel,
      );
      try {
        return createWork(kind.createWriter(connection, config), { config, spool, render, release });
      } catch (error) {
        release();
        throw error;
      }
    });
  });
}

type Render = (msg: NodeMessage, source: SourceSpec) => Omit<DraftOf, "source" | "location">;

interface WorkParts {
  config: WriterNodeDef;
  spool: Spool;
  render: Render;
  release: () => void;
}

function createWork(writer: Writer, { config, spool, render, release }: WorkParts): DeliveryWork {
  const { concurrency } = readOptions("Writer", config, (options) => ({
    concurrency: options.number("concurrency", { min: 1, max: 64, default: 4, integer: true }),
  }));
  return {
    attempt: writerAttempt(writer, { spool }),
    concurrency,
    async draft(msg) {
      const source = await prepareSource(sourceOf(msg), { spool });
      const rendered = render(msg, source);
      return { ...rendered, source, location: writer.locate(rendered.target) };
    },
    async close() {
      await writer.close();
      release();
    },
  };
}

/** Fills the templates of one node. */
function renderFor<Config extends WriterNodeDef, Connection>(
  RED: NodeAPI,
  node: Node,
  config: Config,
  kind: WriterNodeKind<Config, Connection>,
): Render {
  const { timeZone = "" } = config;
  return (msg, source) => {
    const view = templateView(RED, node, msg, source);
    const { contentType = source.contentType, ...attributes } = renderAll(
      { ...kind.attributeTemplates?.(config), contentType: kind.contentTypeTemplate?.(config) },
      view,
      timeZone,
    );
    return {
      target: renderTemplate(kind.targetTemplate(config), view, { timeZone }),
      ...(contentType !== undefined && { contentType }),
      metadata: {
        ...readMetadata(msg.metadata),
        ...renderAll(fromRows(config.metadata), view, timeZone),
      },
      attributes,
    };
  };
}

/** A payload is literal content, whatever it looks like; only `msg.source` can name a file. */
function sourceOf(msg: NodeMessage): SourceSpec {
  if (msg.source === undefined) {
    const fileName = typeof msg.filename === "string" ? path.basename(msg.filename) : "";
    return payloadSource(msg.payload, { name: fileName || defaultName(msg.payload) });
  }
  const source = readSourceSpec(msg.source);
  if (source.kind === "url") {
    throw new DeliveryError("invalid", "A message cannot name a host. Use a data source node for the URL.");
  }
  return source;
}

function defaultName(payload: unknown): string {
  if (payload instanceof Uint8Array) return "payload.bin";
  return typeof payload === "string" ? "payload.txt" : "payload.json";
}

/** @throws DeliveryError `invalid` for anything but a flat object */
function readMetadata(metadata: unknown): Record<string, string> {
  if (metadata === undefined || metadata === null) return {};
  if (typeof metadata !== "object" || Array.isArray(metadata)) {
    throw new DeliveryError("invalid", "msg.metadata must be an object of names and texts.");
  }
  const entries = Object.entries(metadata).filter(([, value]) => value !== undefined && value !== null);
  return Object.fromEntries(
    entries.map(([name, value]) => {
      if (value instanceof Date) return [name, value.toISOString()];
      if (typeof value === "object" || typeof value === "function") {
        throw new DeliveryError("invalid", `msg.metadata.${name} must be text, not an object.`);
      }
      return [name, String(value)];
    }),
  );
}
