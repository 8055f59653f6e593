import { oldContent, type Played } from "./play";

/** In words, what is not as after a delivery that nothing happened to. */
export function whatIsWrong({ delivery, found, content, partial, leftovers, open }: Played): string[] {
  return [
    delivery.state === "delivered" ? "" : `${delivery.state}: ${delivery.error?.message}`,
    found?.equals(content) ? "" : `another content, ${found?.equals(oldContent) ? "the old one" : "damaged"}`,
    partial === 0 ? "" : `${partial} partial sightings`,
    leftovers.join(", "),
    open === 0 ? "" : `${open} open connections`,
  ].filter((wrong) => wrong !== "");
}
