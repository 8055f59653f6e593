/** A target name and how it arrives. One list for every writer: the names that people really use. */
export interface NameCase {
  title: string;
  target: string;
  /** The name at the target, where it is not `target` itself. */
  stored?: string;
}

const leaf150 = "l".repeat(146);

export const acceptedNames: readonly NameCase[] = [
  { title: "plain", target: "plain.txt" },
  { title: "nested, in folders that do not exist yet", target: "one/two/three/nested.txt" },
  {
    title: "absolute: a leading slash is the root",
    target: "/absolute/name.txt",
    stored: "absolute/name.txt",
  },
  { title: "leading space", target: "spaces/ leading.txt" },
  { title: "trailing space", target: "spaces/trailing.txt " },
  { title: "folder with a leading and a trailing space", target: " spaced folder /inside.txt" },
  { title: "leading dot", target: "dots/.hidden" },
  { title: "trailing dots", target: "dots/end..." },
  { title: "two dots inside", target: "dots/a..b.txt" },
  { title: "leading tilde", target: "~tilde/~tilde.txt" },
  { title: "leading dash", target: "-la/-rf.txt" },
  { title: "umlauts and Chinese, composed (NFC)", target: "unicode/ünï 名.txt".normalize("NFC") },
  { title: "umlauts and Chinese, decomposed (NFD)", target: "unicode/ünï 名.txt".normalize("NFD") },
  { title: "emoji", target: "unicode/🚚📦 parcel.txt" },
  { title: "punctuation", target: "punctuation/!#$%&'()+,;=@[]^_`{}~.txt" },
  { title: "double quotes", target: 'punctuation/"quoted".txt' },
  { title: "wildcards", target: "punctuation/a*b?.txt" },
  { title: "percent sign: no URL decoding", target: "escapes/test%46.txt" },
  { title: "plus sign and space", target: "escapes/a+b c.txt" },
  { title: "no extension", target: "README" },
  { title: "150-character name", target: `long/${leaf150}.txt` },
  { title: "255-byte name", target: `long/${"x".repeat(251)}.txt` },
];

/** Ten names that differ only after their 150th character: shortened temporary names must not collide. */
export const namesSharingAPrefix: readonly string[] = Array.from(
  { length: 10 },
  (_, n) => `${"p".repeat(150)}-${n}.txt`,
);

/** Names that every writer refuses as `invalid` before a byte goes over the wire. */
export const refusedNames: readonly NameCase[] = [
  { title: "empty", target: "" },
  { title: "only a slash", target: "/" },
  { title: "ending in a slash", target: "folder/" },
  { title: "an empty folder name", target: "a//b.txt" },
  { title: "CR LF and a forged command", target: "victim\r\nDELE other" },
  { title: "LF", target: "line\nbreak.txt" },
  { title: "CR", target: "carriage\rreturn.txt" },
  { title: "CR LF in a folder", target: "fold\r\ner/name.txt" },
  { title: "NUL", target: "nul\0.txt" },
  { title: "tab", target: "tab\t.txt" },
  { title: "escape", target: "escape\u001b[2J.txt" },
  { title: "DEL", target: "delete\u007f.txt" },
  { title: "telnet's IAC range: a C1 control", target: "next\u0085line.txt" },
  { title: "a lone surrogate", target: "half\ud83d.txt" },
  { title: "a dot", target: "." },
  { title: "a dot folder", target: "a/./b.txt" },
  { title: "dot dot", target: ".." },
  { title: "leaving the root", target: "../outside.txt" },
  { title: "leaving the root from the root", target: "/../outside.txt" },
  { title: "leaving the root half-way", target: "a/../../outside.txt" },
  { title: "dot dot that stays inside", target: "a/../b.txt" },
];
