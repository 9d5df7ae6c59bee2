/** A resource outside the store, and its half of the bargain: it remembers the highest token and refuses lower ones. */
export interface Ledger {
  /** Returns whether it was written. */
  write(token: number, line: string): boolean
  readonly lines: readonly { readonly token: number; readonly line: string }[]
  readonly refused: number
}

export function createLedger(): Ledger {
  const lines: { token: number; line: string }[] = []
  let highest = 0
  let refused = 0
  return {
    write(token, line) {
      if (token < highest) {
        refused += 1
        return false
      }
      highest = token
      lines.push({ token, line })
      return true
    },
    lines,
    get refused() {
      return refused
    },
  }
}
