import type { Journal, JournalRecord } from './journal.ts'

/** A journal that lives as long as the process: for drills and tests. `records` is what it holds, and may be given to a new one. */
export function createMemoryJournal(
  records: readonly JournalRecord[] = [],
): Journal & { readonly records: readonly JournalRecord[] } {
  const held = [...structuredClone(records)]
  return {
    records: held,
    read: async () => structuredClone(held),
    append: async (record) => {
      held.push(structuredClone(record))
    },
  }
}
