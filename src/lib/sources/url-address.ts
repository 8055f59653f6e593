import { lookup } from "node:dns";
import { BlockList, isIP, isIPv6, type LookupFunction } from "node:net";
import { DeliveryError } from "../errors";

/** IANA's special-purpose IPv4 blocks that are not public, and what clouds keep for themselves. */
const privateIPv4: readonly (readonly [network: string, prefix: number])[] = [
  ["0.0.0.0", 8], // this network
  ["10.0.0.0", 8], // private (RFC 1918)
  ["100.64.0.0", 10], // shared by carriers (RFC 6598); Alibaba's metadata
  ["127.0.0.0", 8], // loopback
  ["168.63.129.16", 32], // Azure's host services
  ["169.254.0.0", 16], // link-local; metadata of AWS, Azure, Google
  ["172.16.0.0", 12], // private (RFC 1918)
  ["192.0.0.0", 24], // protocol assignments; Oracle's metadata
  ["192.168.0.0", 16], // private (RFC 1918)
  ["198.18.0.0", 15], // benchmarks
  ["224.0.0.0", 4], // multicast
  ["240.0.0.0", 4], // reserved, and broadcast
];

const privateIPv6: readonly (readonly [network: string, prefix: number])[] = [
  ["::", 128],
  ["::1", 128], // loopback
  ["64:ff9b:1::", 48], // local translation (RFC 8215)
  ["fc00::", 7], // private (RFC 4193); AWS's metadata
  ["fe80::", 10], // link-local
  ["fec0::", 10], // site-local, deprecated
  ["ff00::", 8], // multicast
];

/** IPv6 addresses that stand for an IPv4 address: compatible, mapped, NAT64 (RFC 6052). */
const translatedPrefixes = ["::", "::ffff:", "64:ff9b::"];

const blocked = createBlockList();

function createBlockList(): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of privateIPv6) list.addSubnet(network, prefix, "ipv6");
  for (const [network, prefix] of privateIPv4) {
    list.addSubnet(network, prefix, "ipv4");
    for (const start of translatedPrefixes) list.addSubnet(`${start}${network}`, 96 + prefix, "ipv6");
    list.addSubnet(`2002:${hexOf(network)}::`, 16 + prefix, "ipv6"); // 6to4 (RFC 3056)
  }
  return list;
}

/** `10.0.0.0` → `0a00:0000`. */
function hexOf(address: string): string {
  return Buffer.from(address.split(".").map(Number))
    .toString("hex")
    .replace(/^(....)/, "$1:");
}

/** Whether the IP address leads to this machine, its networks or its cloud's services. */
export function isPrivateAddress(address: string): boolean {
  const [plain = ""] = address.split("%");
  return blocked.check(plain, isIPv6(plain) ? "ipv6" : "ipv4");
}

/**
 * For an address that needs no lookup. `new URL` has turned `2130706433`, `0x7f.1` and the like into the
 * usual form by now.
 * @throws DeliveryError `invalid`
 */
export function checkLiteralAddress({ hostname }: URL): void {
  const address = hostname.replace(/^\[(.*)\]$/, "$1");
  if (isIP(address) !== 0 && isPrivateAddress(address)) throw blockedAddress(hostname);
}

/**
 * Resolves a name to its public addresses. The connection goes to exactly these: a name that is looked up
 * again may have another answer (DNS rebinding).
 */
export const publicLookup: LookupFunction = (hostname, options, callback) => {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, [], 0);
    const allowed = addresses.filter(({ address }) => !isPrivateAddress(address));
    const [first] = allowed;
    if (!first) return callback(blockedAddress(hostname), [], 0);
    if (options.all) return callback(null, allowed);
    callback(null, first.address, first.family);
  });
};

function blockedAddress(host: string): DeliveryError {
  return new DeliveryError(
    "invalid",
    `${host} leads to this machine or its own network. If that is meant, let the source use private addresses.`,
    { code: "EPRIVATE" },
  );
}
