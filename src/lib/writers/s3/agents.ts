import { Agent as HttpAgent } from "node:http";
import { type AgentOptions, globalAgent, Agent as HttpsAgent } from "node:https";
import type { S3ConnectionOptions } from "./options";

/** Enough for a dozen uploads of four parts at once; the bytes in flight are bounded elsewhere. */
const maxSockets = 50;

/**
 * What keeps the sockets to a store. With `NODE_USE_ENV_PROXY=1` or `--use-env-proxy` it reaches the store
 * through the proxies of the environment, as Node.js' own agents do, on versions that can (22.21, 24.5):
 * https://nodejs.org/api/http.html#built-in-proxy-support
 */
export function storeAgents({
  verifyCertificate,
  ca,
}: Pick<S3ConnectionOptions, "verifyCertificate" | "ca">) {
  return agents({ rejectUnauthorized: verifyCertificate, ...(ca !== undefined && { ca }) });
}

/** For Amazon's token service: the connection's authority vouches for the store, not for that. */
export function tokenServiceAgents() {
  return agents({});
}

function agents(tls: AgentOptions) {
  const options = { keepAlive: true, maxSockets, ...environmentsProxies() };
  return { httpAgent: new HttpAgent(options), httpsAgent: new HttpsAgent({ ...options, ...tls }) };
}

/** Whether requests go through the proxies of the environment, except to hosts that it names. */
export function isProxied(): boolean {
  return "proxyEnv" in environmentsProxies();
}

/** Not in the types of Node.js 20. Undefined where nobody has asked for proxies. */
function environmentsProxies(): { proxyEnv?: unknown } {
  const { proxyEnv } = globalAgent.options as { proxyEnv?: unknown };
  return proxyEnv === undefined ? {} : { proxyEnv };
}
