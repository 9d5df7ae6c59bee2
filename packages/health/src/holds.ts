import type { Gate } from './check.ts'

/** What keeps gates closed whatever their checks say. */
export interface Holds {
  /** The returned function takes this hold away, once; others stay. */
  add(gate: Gate, why: string): () => void
  /** Why a gate is held, in the order of adding. */
  of(gate: Gate): readonly string[]
}

export function createHolds(): Holds {
  const holds = new Set<{ readonly gate: Gate; readonly why: string }>()
  return {
    add(gate, why) {
      const hold = { gate, why }
      holds.add(hold)
      return () => {
        holds.delete(hold)
      }
    },
    of: (gate) => [...holds].filter((hold) => hold.gate === gate).map(({ why }) => why),
  }
}
