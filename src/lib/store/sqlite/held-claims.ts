import type { StoreBackend } from "../backend";
import type { SqlDatabase } from "../sql/backend";
import { table } from "../sql/schema";

/** Who is sending what, as far as this process knows: it alone works with the file. */
export interface HeldClaims {
  /** Notes each claim whose answer came, until it is settled. */
  watch(backend: StoreBackend): StoreBackend;
  /**
   * Frees what the file says is being sent and nobody here sends: it was another process that did, or the
   * answer to a claim was lost, or the file is an older one that was put in place.
   */
  freeOthers(database: SqlDatabase): Promise<void>;
}

interface Sending {
  id: string;
  owner: string;
  version: number;
}

export function createHeldClaims(): HeldClaims {
  const held = new Map<string, Pick<Sending, "owner" | "version">>();
  const isHeld = ({ id, owner, version }: Sending): boolean => {
    const claim = held.get(id);
    return claim?.owner === owner && claim.version === version;
  };
  return {
    watch: (backend) => ({
      ...backend,
      async change(change) {
        const { id, seen, set } = change;
        const result = await backend.change(change);
        if (set.state === "sending" && set.owner && result === "changed") {
          held.set(id, { owner: set.owner, version: seen + 1 });
        } else if (set.state !== undefined && held.get(id)?.version === seen) {
          // Settled; or its row is another one now, and the lease is lost.
          held.delete(id);
        }
        return result;
      },
    }),
    async freeOthers({ knex, execute }) {
      const { rows } = await execute(
        knex(table).select("id", "owner", "version").where({ state: "sending" }),
      );
      const lost = (rows as unknown as Sending[]).filter((row) => !isHeld(row)).map(({ id }) => id);
      if (lost.length === 0) return;
      await execute(knex(table).where({ state: "sending" }).whereIn("id", lost).update({ claimable_at: 0 }));
    },
  };
}
