import type { Origin, ParkedPlace } from '../format/keys.ts'
import type { Timed } from './heap.ts'
import type { Page } from './page-lane.ts'

/** A message that was read, from when it is handed out first until it is finished. */
export interface Message extends Origin {
  readonly epoch: bigint
  readonly priority: number
  readonly payload: Uint8Array
  readonly expiresAt: number
  readonly group: string | undefined
  /** Deliveries so far. */
  attempts: number
  /** The text of the last failure. */
  error: string | undefined
  /** `undefined`: not known whether there is one; it may be on disk. */
  checkpoint: Buffer | 'none' | undefined
  home: Home
  /** Whose it is now; a job that is not this one is stale. */
  holder: Timed | undefined
}

/** Where it is stored. */
export type Home =
  | { readonly kind: 'page'; readonly page: Page; readonly index: number }
  | { readonly kind: 'parked'; readonly place: ParkedPlace; hasAttempts: boolean }

/** What programs call it by: epoch, lane and sequence, which no other message ever had. */
export function messageId(epoch: bigint, { lane, seq }: Origin): string {
  return idPrefix(epoch, lane) + seq.toString(36)
}

let lastEpoch = -1n
let lastLane = -1
let lastPrefix = ''

/** Nearly all messages in a row share it, and a BigInt's text is slow to make. */
function idPrefix(epoch: bigint, lane: number): string {
  if (epoch !== lastEpoch || lane !== lastLane) {
    lastEpoch = epoch
    lastLane = lane
    lastPrefix = `${epoch.toString(16).padStart(16, '0')}-${lane.toString(16)}-`
  }
  return lastPrefix
}
