import path from "node:path";
import type { Node, NodeAPI, NodeDef, NodeMessage } from "node-red";
import {
  DeliveryError,
  payloadSource,
  readOptions,
  readSourceSpec,
  renderTemplate,
  type SourceSpec,
  type TemplateView,
  toDeliveryError,
  type Writer,
  writerAttempt,
} from "../../lib";
import { useConnection } from "./connection-node";
import { type DeliveryWork, type DraftOf, runDeliveries } from "./delivery-node";
import { type Engine, sealsOf } from "./engine";
import { readMetadata } from "./metadata";
import { payloadName } from "./payload-name";
import type { Seals } from "./seals";
import { templateView } from "./template-view";
import { renderAll, type TemplateReader, templateReader } from "./templates";

export interface WriterNodeDef extends NodeDef {
  connection?: string;
  concurrency?: string | number;
  store?: string;
  /** A template: of all messages for which it gives the same text, one is delivered. */
  onceKey?: string;
}

/** What a message's templates are rendered to, before the message's metadata joins in. */
interface WriterTemplates {
  target: string;
  contentType?: string;
  /** Of `WriteRequest.attributes`. */
  attributes?: Record<string, string>;
}

/** What tells one writer node from the others. */
export interface WriterNodeKind<Connection> {
  /** The config node that it needs, and its name for sentences: `S3 connection`. Some need none. */
  connection?: { type: string; label: string };
  /** @throws DeliveryError `invalid` that lists every problem of the settings */
  createWriter(connection: Connection, engine: Engine): Writer;
  readTemplates(templates: TemplateReader): WriterTemplates;
}

/** Gives a node its life: it delivers each message's content through a writer of the library. */
export function runWriter<Connection = undefined>(
  RED: NodeAPI,
  node: Node,
  config: WriterNodeDef,
  kind: WriterNodeKind<Connection>,
): void {
  runDeliveries(RED, node, "delivery", config.store, (engine) => {
    const { connection, release } = connectionOf(RED, config, kind);
    try {
      const settings = readSettings(config, kind);
      const render = (msg: NodeMessage, source: SourceSpec) =>
        renderDraft(settings, msg, source, templateView(RED, node, msg, source));
      const takeSource = (msg: NodeMessage) => sourceOf(msg, sealsOf(RED));
      return createWork(kind.createWriter(connection, engine), {
        ...{ settings, engine, takeSource, render, release },
      });
    } catch (error) {
      release();
      throw error;
    }
  });
}

/** @throws DeliveryError `invalid` when the kind needs one and it cannot be had */
function connectionOf<Connection>(
  RED: NodeAPI,
  config: WriterNodeDef,
  kind: WriterNodeKind<Connection>,
): { connection: Connection; release: () => void } {
  // A kind without one is of a writer that does not look at it.
  if (!kind.connection) return { connection: undefined as Connection, release: () => {} };
  return useConnection<Connection>(RED, config.connection ?? "", kind.connection.type, kind.connection.label);
}

interface Settings {
  writerId: string;
  concurrency: number;
  timeZone: string;
  /** A template; empty where every message is delivered. */
  onceKey: string;
  templates: WriterTemplates;
  /** Templates by the names of what they add to the metadata. */
  metadata: Record<string, string>;
}

function readSettings(
  config: WriterNodeDef,
  { readTemplates }: Pick<WriterNodeKind<never>, "readTemplates">,
): Settings {
  return readOptions("Writer", config, (options) => {
    const reader = templateReader(options, config);
    return {
      writerId: config.id,
      concurrency: options.number("concurrency", { min: 1, max: 64, default: 4, integer: true }),
      timeZone: reader.timeZone,
      onceKey: reader.text("onceKey"),
      templates: readTemplates(reader),
      metadata: reader.rows("metadata"),
    };
  });
}

interface WorkParts {
  settings: Settings;
  engine: Engine;
  takeSource: (msg: NodeMessage) => Promise<SourceSpec>;
  render: (msg: NodeMessage, source: SourceSpec) => Omit<DraftOf, "source" | "location">;
  release: () => void;
}

function createWork(writer: Writer, parts: WorkParts): DeliveryWork {
  const { settings, engine, takeSource, render, release } = parts;
  return {
    attemptIn: (from) => writerAttempt(writer, from),
    concurrency: settings.concurrency,
    targetTemplate: settings.templates.target,
    async draft(msg) {
      const source = await engine.keepSource(await takeSource(msg));
      const rendered = render(msg, source);
      return { ...rendered, source, location: writer.locate(rendered.target) };
    },
    abandon: async (deliveryId) => writer.abandon?.(deliveryId),
    async close() {
      await writer.close();
      release();
    },
  };
}

/** Fills the templates for one message. */
function renderDraft(
  { writerId, templates, metadata, timeZone, onceKey: onceKeyTemplate }: Settings,
  msg: NodeMessage,
  source: SourceSpec,
  view: TemplateView,
): Omit<DraftOf, "source" | "location"> {
  const { target, contentType: contentTypeTemplate = "", attributes = {} } = templates;
  const contentType = renderTemplate(contentTypeTemplate, view, { timeZone }) || source.contentType;
  const onceKey = renderTemplate(onceKeyTemplate, view, { timeZone });
  return {
    target: renderTemplate(target, view, { timeZone }),
    // A store may keep the deliveries of many writers: what is once for one of them is not for the others.
    ...(onceKey !== "" && { onceKey: JSON.stringify([writerId, onceKey]) }),
    ...(contentType !== undefined && { contentType }),
    metadata: { ...readMetadata(msg.metadata), ...renderAll(metadata, view, timeZone) },
    attributes: renderAll(attributes, view, timeZone),
  };
}

/**
 * A payload is literal content, whatever it looks like; only `msg.source` can name a file, and only one that
 * a data source node has chosen, or that lies where the operator allows it.
 */
async function sourceOf(msg: NodeMessage, seals: Seals): Promise<SourceSpec> {
  if (msg.source === undefined) {
    const fileName = typeof msg.filename === "string" ? path.basename(msg.filename) : "";
    return payloadSource(msg.payload, { name: fileName || payloadName(msg.payload) });
  }
  const source = readSource(msg.source);
  if (source.kind === "url") {
    throw new DeliveryError("invalid", "A message cannot name a host. Use a data source node for the URL.");
  }
  return seals.check(msg.source, source);
}

/** Other nodes have a `msg.source` of their own: who meets one must hear what it is to a writer. */
function readSource(source: unknown): SourceSpec {
  try {
    return readSourceSpec(source);
  } catch (error) {
    const { message } = toDeliveryError(error);
    const advice = "It is msg.source, which a data source node sets: delete it to deliver msg.payload.";
    throw new DeliveryError("invalid", `${message} ${advice}`);
  }
}
