import type { ByteBudget } from "./byte-budget";

/** Memory of parts that were sent, for the next ones: new memory costs more than what is written into it. */
export interface SpareBuffers {
  /** For bytes that were taken from the budget. */
  take(bytes: number): Buffer;
  /** Before its bytes are given back to the budget; nobody may hold it any more. */
  give(buffer: Buffer): void;
  /** Somebody may want some. Returns the way to say that he does not any more: for nobody none is kept. */
  open(): () => void;
}

/** What is spare and what is held together never exceed the budget. */
export function createSpareBuffers(budget: ByteBudget): SpareBuffers {
  let spare: Buffer[] = [];
  let users = 0;
  const spareBytes = () => spare.reduce((sum, { length }) => sum + length, 0);
  return {
    take(bytes) {
      const at = spare.findIndex(({ length }) => length === bytes);
      const [found] = at < 0 ? [] : spare.splice(at, 1);
      if (found) return found;
      while (spare.length > 0 && budget.heldBytes() + spareBytes() > budget.totalBytes) spare.shift();
      return Buffer.allocUnsafeSlow(bytes);
    },
    give(buffer) {
      if (users > 0) spare.push(buffer);
    },
    open() {
      users++;
      let isOpen = true;
      return () => {
        if (!isOpen) return;
        isOpen = false;
        users--;
        if (users === 0) spare = [];
      };
    },
  };
}
