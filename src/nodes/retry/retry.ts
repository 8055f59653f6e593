import type { Node, NodeAPI, NodeDef } from "node-red";
import {
  type DeliveryError,
  inUnit,
  type RetryPolicy,
  readOptions,
  readRetryPolicy,
  standardPolicy,
  threeQuickTries,
  toDeliveryError,
} from "../../lib";
import { answer } from "../shared/answer";
import { enginesOf } from "../shared/engine";
import { whenFlowsStarted } from "../shared/flows-started";
import { statusOf } from "../shared/status";
import { msPerMinute, msPerSecond } from "../shared/units";
import { createDecisions } from "./decisions";

interface Config extends NodeDef {
  firstDelaySeconds?: unknown;
  maxDelaySeconds?: unknown;
  jitterPercent?: unknown;
  timeLimitMinutes?: unknown;
}

const presets = ["standard", "three-quick-tries", "custom"] as const;

export default function register(RED: NodeAPI): void {
  RED.nodes.registerType("delivery-retry", function construct(this: Node, config: Config) {
    RED.nodes.createNode(this, config);
    const decisions = createDecisions(this, () => enginesOf(RED));
    let policy: RetryPolicy | undefined;
    let problem: DeliveryError | undefined;
    try {
      policy = policyOf(config);
    } catch (error) {
      problem = toDeliveryError(error);
      this.status(statusOf.problem(problem.message));
    }
    const callOff = whenFlowsStarted(RED, () => decisions.start());
    this.on("input", (msg, send, done) => {
      answer(this, { msg, done }, async () => {
        if (!policy) throw problem;
        await decisions.decide(policy, { msg, send });
      });
    });
    this.on("close", (_removed: boolean, done: () => void) => {
      callOff();
      decisions.close().then(done, done);
    });
  });
}

function policyOf(config: Config): RetryPolicy {
  const preset = readOptions("Retry", config, (options) => options.choice("preset", presets, "standard"));
  if (preset === "standard") return standardPolicy;
  if (preset === "three-quick-tries") return threeQuickTries;
  return readRetryPolicy({
    ...config,
    firstDelayMs: inUnit("firstDelaySeconds", config.firstDelaySeconds, msPerSecond),
    maxDelayMs: inUnit("maxDelaySeconds", config.maxDelaySeconds, msPerSecond),
    jitter: inUnit("jitterPercent", config.jitterPercent, 0.01),
    timeLimitMs: inUnit("timeLimitMinutes", config.timeLimitMinutes, msPerMinute),
  });
}
