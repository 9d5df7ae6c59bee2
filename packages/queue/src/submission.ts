import type { Entry } from './format/page.ts'
import type { Placement } from './options.ts'
import type { Enqueued } from './types.ts'

/** One call of a producer: accepted as a whole, in one commit. */
export type Submission = One | Many

interface Call {
  readonly placement: Placement
  readonly messages: number
  /** Of all payloads. */
  readonly bytes: number
  reject(error: unknown): void
}

/** Is its own entry: one object less for each message. */
export interface One extends Call, Entry {
  readonly isMany: false
  resolve(result: Enqueued): void
}

export interface Many extends Call {
  readonly isMany: true
  readonly entries: readonly Entry[]
  resolve(results: Enqueued[]): void
}

/** The same with payloads of its own: for one that waits, whose caller may change what it gave. */
export function withOwnPayloads(submission: Submission): Submission {
  return submission.isMany
    ? { ...submission, entries: submission.entries.map(withOwnPayload) }
    : withOwnPayload(submission)
}

function withOwnPayload<E extends Entry>(entry: E): E {
  return { ...entry, payload: Buffer.from(entry.payload) }
}
