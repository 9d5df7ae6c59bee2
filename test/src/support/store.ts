import type { CoordinationStore, Operation, Watch, WatchEvent } from '@holdfast/coordination'
import { isHoldfastError } from '@holdfast/core'

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

export const put = (key: string, value = key, leaseId?: string): Operation => ({
  kind: 'put',
  key,
  value: bytes(value),
  ...(leaseId === undefined ? {} : { leaseId }),
})

/** Puts `count` keys, `prefix` and a number, each in a revision of its own. */
export async function putEach(store: CoordinationStore, prefix: string, count: number): Promise<void> {
  for (let first = 0; first < count; first += 200) {
    const numbers = Array.from({ length: Math.min(200, count - first) }, (_, index) => first + index)
    await Promise.all(numbers.map((number) => store.transact({ then: [put(`${prefix}${number}`)] })))
  }
}

/** The code that a promise rejects with; fails where it resolves or rejects with anything else. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
  } catch (error) {
    if (isHoldfastError(error)) return error.code
    throw error
  }
  throw new Error('expected a rejection')
}

export interface Seen {
  readonly events: WatchEvent[]
  /** Settles with the code that the watch broke with, or undefined when it ended. */
  readonly ended: Promise<string | undefined>
  close(): Promise<void>
}

/** Reads a watch until it ends. */
export function readAll(watch: Watch): Seen {
  const events: WatchEvent[] = []
  return { events, ended: read(), close: () => watch.close() }

  async function read(): Promise<string | undefined> {
    try {
      for await (const batch of watch) events.push(...batch.events)
      return undefined
    } catch (error) {
      if (isHoldfastError(error)) return error.code
      throw error
    }
  }
}

export const revisionOf = (event: WatchEvent): number =>
  event.kind === 'put' ? event.entry.modRevision : event.modRevision
