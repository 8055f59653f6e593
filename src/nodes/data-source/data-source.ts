import path from "node:path";
import type { Node, NodeAPI, NodeDef, NodeMessage } from "node-red";
import {
  type DeliveryError,
  payloadSource,
  prepareSource,
  readOptions,
  renderTemplate,
  type SourceInput,
  type TemplateView,
} from "../../lib";
import { asDeliveryError } from "../shared/connection-node";
import { engineOf } from "../shared/engine";
import { statusOf } from "../shared/status";
import { fromRows, type NamedValue, renderAll, templateView } from "../shared/template-view";
import { bytesPerMebibyte } from "../shared/units";
import { compileUserFunction, type UserFunction } from "./user-function";

const sourceKinds = ["text", "payload", "file", "url", "function"] as const;

interface Config extends NodeDef {
  text?: string;
  path?: string;
  url?: string;
  func?: string;
  property?: string;
  fileName?: string;
  contentType?: string;
  headers?: NamedValue[];
  metadata?: NamedValue[];
  timeZone?: string;
}

interface Settings {
  kind: (typeof sourceKinds)[number];
  plainText: boolean;
  property: string;
  allowPrivateAddresses: boolean;
  maxBytes: number | undefined;
  snapshot: boolean;
  userFunction: UserFunction | undefined;
}

export default function register(RED: NodeAPI): void {
  RED.nodes.registerType("delivery-data-source", function construct(this: Node, config: Config) {
    RED.nodes.createNode(this, config);
    const { spool } = engineOf(RED);
    const closing = new AbortController();
    let settings: Settings | undefined;
    let problem: DeliveryError | undefined;
    try {
      settings = readSettings(config);
    } catch (error) {
      problem = asDeliveryError(error);
      this.status(statusOf.problem(problem.message));
    }

    const attach = async (msg: NodeMessage): Promise<void> => {
      if (!settings) throw problem;
      const view = templateView(RED, this, msg);
      const input = inputOf(RED, this, config, settings, msg, view);
      if (input.kind === "function" || input.kind === "url") this.status(statusOf.busy("reading"));
      const source = await prepareSource(input, {
        spool,
        signal: closing.signal,
        snapshot: settings.snapshot,
        allowPrivateAddresses: settings.allowPrivateAddresses,
        ...(settings.maxBytes !== undefined && { maxBytes: settings.maxBytes }),
      });
      const timeZone = config.timeZone ?? "";
      const metadata = renderAll(fromRows(config.metadata), { ...view, source }, timeZone);
      msg.source = source;
      msg.metadata = { ...(msg.metadata as object | undefined), ...metadata };
    };
    this.on("input", (msg, send, done) => {
      attach(msg).then(
        () => {
          this.status(statusOf.done((msg.source as { name: string }).name));
          send(msg);
          done();
        },
        (error: unknown) => {
          this.status(statusOf.problem(asDeliveryError(error).message));
          done(asDeliveryError(error));
        },
      );
    });
    this.on("close", (_removed: boolean, done: () => void) => {
      closing.abort();
      done();
    });
  });
}

function readSettings(config: Config): Settings {
  return readOptions("Data source", config, (options): Settings => {
    const kind = options.choice("kind", sourceKinds, "text");
    const megabytes = options.number("maxMegabytes", { min: 0, max: 1e9, default: 0 });
    if (kind === "file") options.string("path");
    if (kind === "url") options.string("url");
    return {
      kind,
      plainText: options.boolean("plainText", false),
      property: options.optionalString("property") ?? "payload",
      allowPrivateAddresses: options.boolean("allowPrivateAddresses", false),
      maxBytes: megabytes > 0 ? megabytes * bytesPerMebibyte : undefined,
      snapshot: options.boolean("snapshot", false),
      userFunction: kind === "function" ? compileUserFunction(options.string("func")) : undefined,
    };
  });
}

function inputOf(
  RED: NodeAPI,
  node: Node,
  config: Config,
  settings: Settings,
  msg: NodeMessage,
  view: TemplateView,
): SourceInput {
  const render = (template = "") => renderTemplate(template, view, { timeZone: config.timeZone ?? "" });
  const contentType = render(config.contentType);
  const named = (fallback: string) => ({
    name: path.basename(render(config.fileName)) || fallback,
    ...(contentType && { contentType }),
  });
  switch (settings.kind) {
    case "text":
      return {
        kind: "text",
        text: settings.plainText ? (config.text ?? "") : render(config.text),
        ...named("content.txt"),
      };
    case "payload":
      return payloadSource(RED.util.getMessageProperty(msg, settings.property), named("payload"));
    case "file": {
      const filePath = render(config.path);
      return { kind: "file", path: filePath, ...named(path.basename(filePath)) };
    }
    case "url": {
      const url = render(config.url);
      const headers = renderAll(fromRows(config.headers), view, config.timeZone ?? "");
      return { kind: "url", url, headers, ...named(nameOfUrl(url)) };
    }
    case "function":
      return {
        kind: "function",
        produce: (signal) => settings.userFunction?.({ RED, node, msg, signal }) as never,
        ...named("content"),
      };
  }
}

function nameOfUrl(url: string): string {
  const pathname = URL.canParse(url) ? new URL(url).pathname : "";
  return path.posix.basename(pathname) || "download";
}
