import { codeOf, DeliveryError } from "./errors";

/**
 * Imports a package that only some users need.
 * @param purpose ends the sentence "… is needed to"
 * @throws DeliveryError `invalid` that says what to install
 */
export async function importOptionalPeer<T>(
  name: string,
  purpose: string,
  load: () => Promise<T>,
): Promise<T> {
  try {
    return await load();
  } catch (error) {
    const code = codeOf(error);
    if (code !== "MODULE_NOT_FOUND" && code !== "ERR_MODULE_NOT_FOUND") throw error;
    throw new DeliveryError(
      "invalid",
      // What could not be found once is not looked for again while the program runs.
      `The package ${name} is needed to ${purpose}. Install it beside this one (npm install ${name}), ` +
        "and start this program again.",
      { code, cause: error },
    );
  }
}
