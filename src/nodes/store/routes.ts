import type { NodeAPI } from "node-red";
import {
  type Delivery,
  DeliveryError,
  deliveryStates,
  describeDelivery,
  readOptions,
  sendAgain,
  toDeliveryError,
  toErrorRecord,
} from "../../lib";
import { type Engine, engineChosen, enginesOf, holderOf, unknownDelivery } from "../shared/engine";
import { runnerOf } from "../shared/runners";

/** What an operator asks for, and what must be true of the delivery. */
interface Verb {
  /** Undefined when the delivery is not in a state in which that can be done. */
  act(engine: Engine, delivery: Delivery): Promise<Delivery | undefined>;
  only: string;
}

const verbs = {
  retry: {
    act: ({ store }, { id }) => store.retryNow(id),
    only: "Only what waits, or has failed in an attempt and nobody has decided on, can be retried.",
  },
  cancel: { act: cancel, only: "Only what is queued, is being sent or waits can be cancelled." },
  "send-again": {
    act: ({ store, spool }, { id }) => sendAgain(store, { id, spool }),
    only: "Only what has ended can be sent again.",
  },
} satisfies Readonly<Record<string, Verb>>;

/** HTTP statuses: https://www.rfc-editor.org/rfc/rfc9110#name-status-codes */
const statusByKind: Partial<Record<DeliveryError["kind"], number>> = {
  invalid: 400,
  missing: 410,
  rejected: 409,
  local: 503,
};

const uuid = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

type Respond = { status(code: number): { json(body: object): void } };

/** Answers with a page of deliveries. */
export function listDeliveries(RED: NodeAPI, response: Respond, query: { state?: unknown }): Promise<void> {
  return answer(response, () => listed(RED, query));
}

/** Does what an operator asks for, and answers with what the delivery is then. */
export function decideOnDelivery(
  RED: NodeAPI,
  response: Respond,
  { verb, id }: { verb: keyof typeof verbs; id: string },
): Promise<void> {
  return answer(response, () => done(RED, verbs[verb], id));
}

async function answer(response: Respond, work: () => Promise<object>): Promise<void> {
  try {
    response.status(200).json(await work());
  } catch (thrown) {
    const { kind, code, message } = toDeliveryError(thrown);
    const status = code === unknownDelivery ? 404 : (statusByKind[kind] ?? 500);
    response.status(status).json({ kind, error: message });
  }
}

async function listed(RED: NodeAPI, query: { state?: unknown }): Promise<object> {
  // Several states come as a list, or in one value.
  const state = query.state === undefined ? undefined : [query.state].flat().join(",").split(",");
  const { store, writer, states, limit, after } = readOptions(
    "Deliveries",
    { ...query, state },
    (options) => ({
      store: options.optionalString("store"),
      writer: options.optionalString("writer"),
      states: options.list("state", deliveryStates, deliveryStates),
      limit: options.number("limit", { min: 1, max: 1_000, default: 100, integer: true }),
      after: options.optionalString("after", {
        pattern: /^\d{1,15}$/,
        must: "what an earlier page gave as next",
      }),
    }),
  );
  const engine = store === undefined ? enginesOf(RED)[0] : engineChosen(RED, store);
  if (!engine) throw new DeliveryError("invalid", `There is no delivery store node ${store}.`);
  const filter = { states, ...(writer !== undefined && { writerId: writer }) };
  const page = await engine.store.list(filter, { limit, ...(after !== undefined && { after }) });
  const deliveries = page.deliveries.map((delivery) => shown(RED, delivery));
  return { deliveries, counts: await engine.store.counts(writer), ...(page.next && { next: page.next }) };
}

async function done(RED: NodeAPI, { act, only }: Verb, id: string): Promise<object> {
  if (!uuid.test(id)) throw new DeliveryError("invalid", "The id of a delivery is a UUID in lower case.");
  const engine = await holderOf(enginesOf(RED), id);
  const delivery = await engine.store.get(id);
  const changed = delivery && (await act(engine, delivery));
  if (changed) return shown(RED, changed);
  const state = (await engine.store.get(id))?.state ?? "forgotten";
  throw new DeliveryError("rejected", `Delivery ${id} is ${state}. ${only}`);
}

/** A link opens the file for whoever has it: it is the flow's, not everybody's who may look. */
function shown(RED: NodeAPI, delivery: Delivery): object {
  const { url: _, ...record } = describeDelivery(delivery);
  const { error } = delivery;
  return {
    ...record,
    // Nobody sends what waits for a writer that was deleted or disabled.
    writerIsGone: RED.nodes.getNode(delivery.writer.id) === null,
    ...(error && { error: { kind: error.kind, message: error.message, code: error.code } }),
  };
}

async function cancel({ store }: Engine, { id, writer }: Delivery): Promise<Delivery | undefined> {
  const runner = runnerOf(store, writer.id);
  if (runner) return (await runner.cancel(id)) ? store.get(id) : undefined;
  const reason = new DeliveryError("cancelled", "The delivery was cancelled.");
  const cancelled = await store.cancel(id, toErrorRecord(reason));
  // Its writer is gone, and with it whoever could be told; on a shared store another process may have it.
  if (cancelled && store.lookEveryMs === undefined) await store.markAnnounced(id, cancelled.version);
  return cancelled;
}
