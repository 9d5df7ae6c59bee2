import type { Entry, Operation, Outcome, WatchEvent } from '../store.ts'

// What crosses the store's border is copied both ways, so that a caller may change its bytes.

/** Values are copied into blocks of so many bytes: an array buffer each would cost ten times the copying. */
const blockBytes = 65_536

export function copyEntries(entries: readonly Entry[]): Entry[] {
  let left = 0
  for (const { value } of entries) left += value.length
  let block = new Uint8Array(0)
  let used = 0
  return entries.map((entry) => {
    const { length } = entry.value
    if (used + length > block.length) {
      block = new Uint8Array(Math.max(length, Math.min(left, blockBytes)))
      used = 0
    }
    const value = block.subarray(used, used + length)
    value.set(entry.value)
    used += length
    left -= length
    return { ...entry, value }
  })
}

export function copyEvent(event: WatchEvent): WatchEvent {
  if (event.kind === 'delete') return { ...event }
  return { kind: 'put', entry: { ...event.entry, value: new Uint8Array(event.entry.value) } }
}

export function copyOperation(operation: Operation): Operation {
  return operation.kind === 'put' ? { ...operation, value: new Uint8Array(operation.value) } : operation
}

export function copyOutcome(outcome: Outcome): Outcome {
  return outcome.kind === 'range' ? { ...outcome, entries: copyEntries(outcome.entries) } : outcome
}
