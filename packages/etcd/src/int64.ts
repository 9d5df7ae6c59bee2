import { coordinationError } from '@holdfast/coordination'
import type { IResponseHeader } from 'etcd3'

/** Reads an int64 that the wire gives as a decimal string. Throws where a JavaScript number could not hold it exactly. */
export function toNumber(int64: string | number): number {
  const value = Number(int64)
  if (!Number.isSafeInteger(value))
    throw new RangeError(`etcd sent ${int64}, beyond 2^53: revisions so high are not supported`)
  return value
}

/** Whether it is a lease id of etcd: a positive int64 in decimal digits. */
export function isLeaseId(leaseId: string): boolean {
  return /^[1-9]\d{0,18}$/.test(leaseId) && BigInt(leaseId) < 2n ** 63n
}

/**
 * Refuses to work where 64-bit numbers arrive rounded: protobufjs does that, silently, when it
 * cannot load the package `long` (a bundler left it out, or Node runs with `--conditions=import`).
 * Two random 64-bit ids that are both exactly a double's decimal text are no accident.
 */
export function checkInt64({
  cluster_id,
  member_id,
}: Pick<IResponseHeader, 'cluster_id' | 'member_id'>): void {
  if (!isRounded(cluster_id) || !isRounded(member_id)) return
  const problem = 'etcd: 64-bit ids arrive rounded: make the package `long` loadable by protobufjs'
  throw coordinationError('STORE_REFUSED', problem)
}

function isRounded(int64: string): boolean {
  const value = Number(int64)
  return !Number.isSafeInteger(value) && String(value) === int64
}
