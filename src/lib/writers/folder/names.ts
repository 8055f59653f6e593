import { DeliveryError } from "../../errors";
import { splitTargetName } from "../target-name";

/** Of a device, with any ending: the file system would send the content there. */
const deviceName = /^(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])[ .]*(\.|:|$)/i;

/**
 * The segments of a target name, as `splitTargetName` gives them.
 *
 * Windows takes a backslash for a slash, writes `a:b` into a hidden stream of the file `a`, and drops dots
 * and spaces at an end: without an error, the content would lie elsewhere than is told.
 * https://learn.microsoft.com/windows/win32/fileio/naming-a-file
 * @throws DeliveryError `invalid`
 */
export function fileNames(
  target: string,
  platform: NodeJS.Platform = process.platform,
): [string, ...string[]] {
  const segments = splitTargetName(target);
  if (platform !== "win32") return segments;
  for (const name of segments) {
    const reason = windowsProblem(name);
    if (reason === undefined) continue;
    throw new DeliveryError(
      "invalid",
      `The name ${JSON.stringify(name)} ${reason}, which Windows does not take. Choose another.`,
    );
  }
  return segments;
}

function windowsProblem(name: string): string | undefined {
  const character = /[<>:"|?*\\]/.exec(name)?.[0];
  if (character !== undefined) return `holds ${character}`;
  if (/[ .]$/.test(name)) return "ends in a dot or a space";
  return deviceName.test(name) ? "is that of a device" : undefined;
}
