import { createHash } from 'node:crypto'
import type { UplinkJob } from '../types.ts'

/** A job and its bytes, encoded once for all attempts. */
export interface Parcel<T = unknown> {
  readonly job: UplinkJob<T>
  readonly bytes: Uint8Array
}

export interface BatchSize {
  readonly maxMessages: number
  readonly maxBytes: number
}

/** How many parcels, from the first, fit into one request: at least one where there are any. */
export function fitting(parcels: readonly Parcel[], { maxMessages, maxBytes }: BatchSize): number {
  let bytes = 0
  for (const [at, parcel] of parcels.entries()) {
    bytes += parcel.bytes.length
    if (at > 0 && (at >= maxMessages || bytes > maxBytes)) return at
  }
  return parcels.length
}

/** Whether waiting for more parcels cannot change the batch. */
export function isFull(parcels: readonly Parcel[], size: BatchSize): boolean {
  const bytes = parcels.reduce((sum, parcel) => sum + parcel.bytes.length, 0)
  return parcels.length >= size.maxMessages || bytes >= size.maxBytes
}

/** The batch's idempotency key: the same for the same messages in the same order, whoever sends them and when. */
export function batchKey(parcels: readonly Parcel[]): string {
  const hash = createHash('sha256')
  for (const { job } of parcels) hash.update(`${job.id.length}:${job.id}`)
  return hash.digest('hex').slice(0, 32)
}

export function halves<T>(list: readonly T[]): readonly [readonly T[], readonly T[]] {
  const middle = Math.ceil(list.length / 2)
  return [list.slice(0, middle), list.slice(middle)]
}
