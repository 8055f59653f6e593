import { createHash } from "node:crypto";
import zlib from "node:zlib";

export interface Digest {
  update(bytes: Uint8Array): unknown;
  digest(): Buffer;
}

export type ChecksumAlgorithm = "CRC32" | "CRC32C" | "CRC64NVME" | "SHA1" | "SHA256";
/** Of the whole content, or of the parts' checksums, in which case the value ends in `-<parts>`. */
export type ChecksumType = "FULL_OBJECT" | "COMPOSITE";

export interface Checksum {
  algorithm: ChecksumAlgorithm;
  /** Base64. */
  value: string;
  type: ChecksumType;
}

const algorithms: Readonly<Record<ChecksumAlgorithm, { bytes: number; create: () => Digest }>> = {
  CRC32: { bytes: 4, create: createCrc32 },
  CRC32C: { bytes: 4, create: createCrc32c },
  CRC64NVME: { bytes: 8, create: createCrc64 },
  SHA1: { bytes: 20, create: () => createHash("sha1") },
  SHA256: { bytes: 32, create: () => createHash("sha256") },
};
export const checksumAlgorithms = Object.keys(algorithms) as ChecksumAlgorithm[];

export const createChecksum = (algorithm: ChecksumAlgorithm): Digest => algorithms[algorithm].create();

export const checksumHeader = (algorithm: ChecksumAlgorithm) => `x-amz-checksum-${algorithm.toLowerCase()}`;

export function readAlgorithm(name: string | undefined): ChecksumAlgorithm | undefined {
  return checksumAlgorithms.find((algorithm) => algorithm === name?.toUpperCase());
}

export function isChecksumValue(algorithm: ChecksumAlgorithm, value: string): boolean {
  return isBase64Of(value, algorithms[algorithm].bytes);
}

export function isBase64Of(value: string, bytes: number): boolean {
  const decoded = Buffer.from(value, "base64");
  return decoded.length === bytes && decoded.toString("base64") === value;
}

function createCrc32(): Digest {
  // Node.js 20 has it from 20.15 on.
  return typeof zlib.crc32 === "function" ? crc32Digest(zlib.crc32) : crc32Digest(crcFunction(0xedb88320));
}

function createCrc32c(): Digest {
  crc32c ??= crcFunction(0x82f63b78);
  return crc32Digest(crc32c);
}
let crc32c: CrcFunction | undefined;

type CrcFunction = (bytes: Uint8Array, before: number) => number;

function crc32Digest(compute: CrcFunction): Digest {
  let value = 0;
  return {
    update(bytes) {
      value = compute(bytes, value);
    },
    digest() {
      const result = Buffer.alloc(4);
      result.writeUInt32BE(value);
      return result;
    },
  };
}

/** @param polynomial with its bits reversed */
function crcFunction(polynomial: number): CrcFunction {
  const table = new Uint32Array(256).map((_, index) => {
    let value = index;
    for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ polynomial : value >>> 1;
    return value;
  });
  return (bytes, before) => {
    let value = ~before;
    for (let at = 0; at < bytes.length; at++) {
      value = (value >>> 8) ^ (table[(value ^ (bytes[at] as number)) & 255] as number);
    }
    return ~value >>> 0;
  };
}

/** CRC-64/NVME, in two halves of 32 bits, because BigInt is slow. */
function createCrc64(): Digest {
  crc64Tables ??= makeCrc64Tables();
  const { high, low } = crc64Tables;
  let h = 0xffffffff;
  let l = 0xffffffff;
  return {
    update(bytes) {
      for (let at = 0; at < bytes.length; at++) {
        const index = (l ^ (bytes[at] as number)) & 255;
        l = ((l >>> 8) | (h << 24)) ^ (low[index] as number);
        h = (h >>> 8) ^ (high[index] as number);
      }
    },
    digest() {
      const result = Buffer.alloc(8);
      result.writeUInt32BE(~h >>> 0, 0);
      result.writeUInt32BE(~l >>> 0, 4);
      return result;
    },
  };
}
let crc64Tables: { high: Uint32Array; low: Uint32Array } | undefined;

function makeCrc64Tables() {
  const polynomial = 0x9a6c9329ac4bc9b5n;
  const high = new Uint32Array(256);
  const low = new Uint32Array(256);
  for (let index = 0; index < 256; index++) {
    let value = BigInt(index);
    for (let bit = 0; bit < 8; bit++) value = value & 1n ? (value >> 1n) ^ polynomial : value >> 1n;
    high[index] = Number(value >> 32n);
    low[index] = Number(value & 0xffffffffn);
  }
  return { high, low };
}
