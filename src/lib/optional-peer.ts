import { codeOf, DeliveryError } from "./errors";

/**
 * Imports a package that only some users need.
 * @param names of what is needed, as npm wants them
 * @param purpose ends the sentence "… is needed to"
 * @throws DeliveryError `invalid` that says what to install
 */
export async function importOptionalPeer<T>(
  names: string,
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
      names.includes(" ")
        ? `The packages ${names.replace(" ", " and ")} are needed to ${purpose}. ` +
            `Install them beside this one (npm install ${names}), and start this program again.`
        : `The package ${names} is needed to ${purpose}. ` +
            `Install it beside this one (npm install ${names}), and start this program again.`,
      { code, cause: error },
    );
  }
}
