export interface DemoArguments {
  /** Ends when everything was shown, instead of waiting. */
  once: boolean;
  port: number;
  /** The next free port will do, too. */
  anyPort: boolean;
}

const usualPort = 1880;

export const usage = `npm run demo -- [--once] [--port N]
  --once     end when everything was shown: with 0 if all of it was right, else with 1
  --port N   the editor's port; without it ${usualPort}, or the next one that is free`;

/** @throws Error with a sentence for people */
export function readArguments(given: readonly string[]): DemoArguments {
  const result = { once: false, port: usualPort, anyPort: true };
  const rest = given.flatMap((one) => {
    const [, name, value] = /^(--[^=]+)=(.*)$/.exec(one) ?? [];
    return name !== undefined && value !== undefined ? [name, value] : [one];
  });
  for (let one = rest.shift(); one !== undefined; one = rest.shift()) {
    if (one === "--once") {
      result.once = true;
    } else if (one === "--port") {
      result.port = readPort(rest.shift());
      result.anyPort = false;
    } else {
      throw new Error(`The demo does not know ${JSON.stringify(one)}.\n\n${usage}`);
    }
  }
  return result;
}

function readPort(text: string | undefined): number {
  const port = Number(text);
  if (text !== undefined && /^\d+$/.test(text) && port >= 1 && port <= 65_535) return port;
  throw new Error(`--port needs a number from 1 to 65535${text === undefined ? "" : `, not "${text}"`}.`);
}
