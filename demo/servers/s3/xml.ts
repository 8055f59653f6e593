/** What an element holds: text, child elements, or several elements of the same name. */
export type XmlContent = string | number | boolean | undefined | XmlChildren | XmlChildren[] | string[];
export interface XmlChildren {
  [name: string]: XmlContent;
}

const namespace = "http://s3.amazonaws.com/doc/2006-03-01/";

/** A document as S3 answers it. Undefined children are left out, arrays repeat their element. */
export function xmlDocument(
  root: string,
  children: XmlChildren,
  xmlns: string | undefined = namespace,
): string {
  const attribute = xmlns === "" ? "" : ` xmlns="${xmlns}"`;
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root}${attribute}>${writeChildren(children)}</${root}>`;
}

function writeChildren(children: XmlChildren): string {
  return Object.entries(children)
    .flatMap(([name, content]) =>
      (Array.isArray(content) ? content : [content]).map((one) => write(name, one)),
    )
    .join("");
}

function write(name: string, content: string | number | boolean | undefined | XmlChildren): string {
  if (content === undefined) return "";
  const inner = typeof content === "object" ? writeChildren(content) : escapeXml(String(content));
  return `<${name}>${inner}</${name}>`;
}

function escapeXml(text: string): string {
  const escapes: Record<string, string> = { "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;" };
  return text.replace(/[&<>"]/g, (character) => escapes[character] ?? character).replace(/\r/g, "&#13;");
}

/**
 * What stands inside each element of that name. Enough for the requests of S3, in which no element holds
 * another one of its own name.
 */
export function xmlElements(xml: string, name: string): string[] {
  const pattern = new RegExp(`<${name}(?:\\s[^>]*)?(?:/>|>([\\s\\S]*?)</${name}>)`, "g");
  return [...xml.matchAll(pattern)].map((match) => match[1] ?? "");
}

export function xmlText(xml: string, name: string): string | undefined {
  const inner = xmlElements(xml, name)[0];
  return inner === undefined ? undefined : unescapeXml(inner);
}

function unescapeXml(text: string): string {
  const named: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
  return text.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(\w+));/gi, (whole, hex, decimal, name) => {
    if (name !== undefined) return named[name] ?? whole;
    return String.fromCodePoint(hex === undefined ? Number(decimal) : Number.parseInt(hex, 16));
  });
}
