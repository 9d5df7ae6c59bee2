import type { Entry, Operation, Outcome, WatchEvent } from '../store.ts'

// What crosses the store's border is copied both ways, so that a caller may change its bytes.

export function copyEntry(entry: Entry): Entry {
  return { ...entry, value: new Uint8Array(entry.value) }
}

export function copyEvent(event: WatchEvent): WatchEvent {
  return event.kind === 'put' ? { kind: 'put', entry: copyEntry(event.entry) } : { ...event }
}

export function copyOperation(operation: Operation): Operation {
  return operation.kind === 'put' ? { ...operation, value: new Uint8Array(operation.value) } : operation
}

export function copyOutcome(outcome: Outcome): Outcome {
  return outcome.kind === 'range' ? { ...outcome, entries: outcome.entries.map(copyEntry) } : outcome
}
