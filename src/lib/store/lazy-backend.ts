import type { StoreBackend } from "./backend";

/** Opens a backend at its first use, and tries again at the next one when that fails. */
export function createLazyBackend(open: () => Promise<StoreBackend>): StoreBackend {
  let opening: Promise<StoreBackend> | undefined;
  const opened = (): Promise<StoreBackend> => {
    opening ??= open().catch((error: unknown) => {
      opening = undefined;
      throw error;
    });
    return opening;
  };
  return {
    insert: async (row) => (await opened()).insert(row),
    change: async (change) => (await opened()).change(change),
    get: async (id) => (await opened()).get(id),
    claimable: async (...request) => (await opened()).claimable(...request),
    hasten: async (...request) => (await opened()).hasten(...request),
    nextClaimableAt: async (queue) => (await opened()).nextClaimableAt(queue),
    list: async (...request) => (await opened()).list(...request),
    counts: async (queue) => (await opened()).counts(queue),
    prune: async (...request) => (await opened()).prune(...request),
    remove: async (...request) => (await opened()).remove(...request),
    agree: async (...request) => (await opened()).agree(...request),
    async close() {
      await (await opening)?.close();
    },
  };
}
