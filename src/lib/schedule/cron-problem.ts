interface Field {
  name: string;
  range: string;
}

const fields: readonly Field[] = [
  { name: "second", range: "0 to 59" },
  { name: "minute", range: "0 to 59" },
  { name: "hour", range: "0 to 23" },
  { name: "day of the month", range: "1 to 31, or L for the last" },
  { name: "month", range: "1 to 12, or JAN to DEC" },
  { name: "day of the week", range: "0 to 7 with Sunday as 0 and 7, or SUN to SAT" },
];
const nicknames = ["@hourly", "@daily", "@midnight", "@weekly", "@monthly", "@yearly", "@annually"];
const longest = 200;

/**
 * Says what is wrong with a cron expression: in which field, and what may stand there.
 * @param parse throws for an expression that it cannot read
 */
export function cronProblem(cron: string, parse: (pattern: string) => unknown): string | undefined {
  const pattern = cron.trim();
  if (pattern === "")
    return "The cron expression is missing. An example: 0 6 * * MON-FRI is 06:00 on weekdays.";
  if (pattern.length > longest) return `The cron expression is longer than ${longest} characters.`;
  if (pattern.startsWith("@")) {
    if (nicknames.includes(pattern.toLowerCase())) return undefined;
    return `The cron expression may be one of ${nicknames.join(", ")}, but not "${pattern}".`;
  }
  const parts = pattern.split(/\s+/);
  if (parts.length !== 5 && parts.length !== 6) {
    return (
      `The cron expression has ${parts.length} ${parts.length === 1 ? "field" : "fields"}. Give 5 (minute, hour, ` +
      "day of the month, month, day of the week), or 6 with the seconds before them."
    );
  }
  const own = fields.slice(-parts.length);
  const wrong = parts.findIndex(
    (part, at) => !canParse(parts.map((_, other) => (other === at ? part : "*"))),
  );
  const field = own[wrong];
  if (field) {
    return (
      `The cron expression's ${field.name} cannot be "${parts[wrong]}". There may be ${field.range}; ` +
      "lists (1,3), ranges (1-5), * for each, and steps (*/15)."
    );
  }
  return canParse(parts) ? undefined : `The cron expression "${pattern}" makes no sense.`;

  function canParse(those: string[]): boolean {
    try {
      parse(those.join(" "));
      return true;
    } catch {
      return false;
    }
  }
}
