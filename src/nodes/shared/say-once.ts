/** What is said again only after it was over. */
export interface SayOnce {
  say(sentence: string): void;
  /** What was said is no longer so. Returns whether anything was said. */
  forget(): boolean;
}

/** Who asks every few seconds hears the same answer for hours: the log needs it once. */
export function createSayOnce(say: (sentence: string) => void): SayOnce {
  const said = new Set<string>();
  return {
    say(sentence) {
      if (said.has(sentence)) return;
      said.add(sentence);
      say(sentence);
    },
    forget() {
      const any = said.size > 0;
      said.clear();
      return any;
    },
  };
}
