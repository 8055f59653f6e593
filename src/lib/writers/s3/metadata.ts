import { DeliveryError } from "../../errors";

/** The sum of the bytes of all names and values (AWS: Working with object metadata). */
const maxMetadataBytes = 2048;

/**
 * User metadata as S3 can carry it in headers: names in lower case with `-` for what a header name cannot
 * hold (RFC 9110 §5.1), values outside of printable ASCII as encoded words (RFC 2047), which is how S3
 * itself gives such values back.
 * @param layers a name in a later one wins
 * @throws DeliveryError `rejected` for more than 2 KB, and for two names of a layer that become the same
 */
export function encodeUserMetadata(
  ...layers: readonly Readonly<Record<string, string>>[]
): Record<string, string> {
  const encoded: Record<string, string> = Object.assign({}, ...layers.map(encodeLayer));
  const bytes = Object.entries(encoded).reduce((sum, [name, value]) => sum + name.length + value.length, 0);
  if (bytes <= maxMetadataBytes) return encoded;
  throw new DeliveryError(
    "rejected",
    `The metadata takes ${bytes} bytes; S3 takes ${maxMetadataBytes}. Leave some out or shorten them.`,
  );
}

function encodeLayer(metadata: Readonly<Record<string, string>>): Record<string, string> {
  const origins = new Map<string, string>();
  const encoded: Record<string, string> = {};
  for (const [name, value] of Object.entries(metadata)) {
    const headerName = encodeMetadataName(name);
    const earlier = origins.get(headerName);
    if (earlier !== undefined) {
      throw new DeliveryError(
        "rejected",
        `The metadata names "${earlier}" and "${name}" are the same to S3 (${headerName}). Rename one of them.`,
      );
    }
    origins.set(headerName, name);
    encoded[headerName] = encodeMetadataValue(value);
  }
  return encoded;
}

function encodeMetadataName(name: string): string {
  const encoded = name
    .toLowerCase()
    .replace(/[^a-z0-9!#$%&'*+.^_`|~-]+/g, "-")
    .replace(/^-+|-+$/g, "");
  if (encoded !== "") return encoded;
  throw new DeliveryError(
    "rejected",
    `The metadata name ${JSON.stringify(name)} holds no letter or digit that S3 can store. Use ASCII letters.`,
  );
}

/** An encoded word is at most 75 characters long; 45 bytes of UTF-8 make 60 of base64. */
const bytesPerWord = 45;

function encodeMetadataValue(value: string): string {
  // Blanks at the ends are lost in a header.
  if (/^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$/.test(value) || value === "") return value;
  const words: string[] = [];
  let word = "";
  for (const character of value) {
    if (Buffer.byteLength(word + character) > bytesPerWord) {
      words.push(word);
      word = "";
    }
    word += character;
  }
  words.push(word);
  return words.map((text) => `=?UTF-8?B?${Buffer.from(text).toString("base64")}?=`).join(" ");
}
