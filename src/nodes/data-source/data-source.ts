import { setMaxListeners } from "node:events";
import path from "node:path";
import type { Node, NodeAPI, NodeDef, NodeMessage } from "node-red";
import {
  DeliveryError,
  type OptionReader,
  payloadSource,
  prepareSource,
  readOptions,
  renderTemplate,
  type SourceInput,
  type TemplateView,
  toDeliveryError,
} from "../../lib";
import { answer } from "../shared/answer";
import { engineOf, sealsOf } from "../shared/engine";
import { readMetadata } from "../shared/metadata";
import { payloadName } from "../shared/payload-name";
import { statusOf } from "../shared/status";
import { templateView } from "../shared/template-view";
import { renderAll, type TemplateReader, templateReader } from "../shared/templates";
import { bytesPerMebibyte } from "../shared/units";
import { compileUserFunction, type UserFunction } from "./user-function";

const sourceKinds = ["text", "payload", "file", "url", "function"] as const;

interface Settings {
  kind: (typeof sourceKinds)[number];
  plainText: boolean;
  property: string;
  allowPrivateAddresses: boolean;
  maxBytes: number | undefined;
  snapshot: boolean;
  userFunction: UserFunction | undefined;
  timeZone: string;
  /** Templates. */
  content: string;
  fileName: string;
  contentType: string;
  headers: Record<string, string>;
  metadata: Record<string, string>;
}

export default function register(RED: NodeAPI): void {
  RED.nodes.registerType("delivery-data-source", function construct(this: Node, config: NodeDef) {
    RED.nodes.createNode(this, config);
    const { spool } = engineOf(RED);
    const closing = new AbortController();
    // Every source that is being read listens, and of those any number is no leak.
    setMaxListeners(0, closing.signal);
    let settings: Settings | undefined;
    let problem: DeliveryError | undefined;
    try {
      settings = readSettings(config);
    } catch (error) {
      problem = toDeliveryError(error);
      this.status(statusOf.problem(problem.message));
    }

    const attach = async (msg: NodeMessage): Promise<void> => {
      if (!settings) throw problem;
      const view = templateView(RED, this, msg);
      const input = inputOf(RED, this, settings, msg, view);
      if (input.kind === "function" || input.kind === "url") this.status(statusOf.busy("reading"));
      const source = await prepareSource(input, {
        spool,
        signal: closing.signal,
        snapshot: settings.snapshot,
        allowPrivateAddresses: settings.allowPrivateAddresses,
        ...(settings.maxBytes !== undefined && { maxBytes: settings.maxBytes }),
      });
      const metadata = renderAll(settings.metadata, { ...view, source }, settings.timeZone);
      Object.assign(msg, {
        source: sealsOf(RED).seal(source),
        metadata: { ...readMetadata(msg.metadata), ...metadata },
      });
    };
    this.on("input", (msg, send, done) => {
      answer(this, { msg, done }, async () => {
        await attach(msg);
        this.status(statusOf.done((msg.source as { name: string }).name));
        send(msg);
      });
    });
    this.on("close", (_removed: boolean, done: () => void) => {
      closing.abort();
      done();
    });
  });
}

function readSettings(config: NodeDef): Settings {
  return readOptions("Data source", config, (options): Settings => {
    const { text, rows, timeZone } = templateReader(options, config);
    const kind = options.choice("kind", sourceKinds, "text");
    const plainText = options.boolean("plainText", false);
    return {
      kind,
      plainText,
      property: options.optionalString("property") ?? "payload",
      allowPrivateAddresses: options.boolean("allowPrivateAddresses", false),
      maxBytes:
        options.number("maxMegabytes", { min: 0, max: 1e9, default: 0 }) * bytesPerMebibyte || undefined,
      snapshot: options.boolean("snapshot", false),
      userFunction: kind === "function" ? compileUserFunction(options.string("func")) : undefined,
      timeZone,
      content: contentTemplate(kind, plainText, options, text),
      fileName: text("fileName"),
      contentType: text("contentType"),
      headers: kind === "url" ? rows("headers") : {},
      metadata: rows("metadata"),
    };
  });
}

/** What says what the content is, or where. */
function contentTemplate(
  kind: Settings["kind"],
  plainText: boolean,
  options: OptionReader,
  text: TemplateReader["text"],
): string {
  if (kind === "text") return plainText ? (options.optionalString("text") ?? "") : text("text");
  if (kind !== "file" && kind !== "url") return "";
  const setting = kind === "file" ? "path" : "url";
  return text(setting) || options.string(setting);
}

function inputOf(
  RED: NodeAPI,
  node: Node,
  settings: Settings,
  msg: NodeMessage,
  view: TemplateView,
): SourceInput {
  const { kind, timeZone } = settings;
  const render = (template: string) => renderTemplate(template, view, { timeZone });
  const contentType = render(settings.contentType);
  const named = (fallback: string) => ({
    name: path.basename(render(settings.fileName)) || fallback,
    ...(contentType && { contentType }),
  });
  switch (kind) {
    case "text":
      return {
        kind,
        text: settings.plainText ? settings.content : render(settings.content),
        ...named("content.txt"),
      };
    case "payload": {
      const payload = propertyOf(RED, msg, settings.property);
      return payloadSource(payload, named(payloadName(payload)));
    }
    case "file": {
      const filePath = render(settings.content);
      return { kind, path: filePath, ...named(path.basename(filePath) || "file") };
    }
    case "url": {
      const url = render(settings.content);
      return { kind, url, headers: renderAll(settings.headers, view, timeZone), ...named(nameOfUrl(url)) };
    }
    case "function":
      return {
        kind,
        produce: (signal) => settings.userFunction?.({ RED, node, msg, signal }) as never,
        ...named("content"),
      };
  }
}

function propertyOf(RED: NodeAPI, msg: NodeMessage, property: string): unknown {
  let value: unknown;
  try {
    value = RED.util.getMessageProperty(msg, property);
  } catch {
    // It is the same to an operator whether the property or what it is in is not there.
  }
  if (value !== undefined) return value;
  throw new DeliveryError(
    "invalid",
    `There is nothing to deliver: the message has no ${property}. Check the data source's property.`,
  );
}

function nameOfUrl(url: string): string {
  const pathname = URL.canParse(url) ? new URL(url).pathname : "";
  return path.posix.basename(pathname) || "download";
}
