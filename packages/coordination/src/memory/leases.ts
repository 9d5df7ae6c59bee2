import type { WatchEvent } from '../store.ts'

/** Which leases live until when, and which keys go with them. Knows no clock: times are given. */
export interface Leases {
  readonly size: number
  has(leaseId: string): boolean
  grant(leaseId: string, ttlMs: number, nowMs: number): void
  /** Gives the lease its whole time again and returns that; undefined when there is no such lease. */
  renew(leaseId: string, nowMs: number): number | undefined
  /** Ends the lease and returns its keys. */
  remove(leaseId: string): string[]
  /** Notes which keys went with a lease, changed lease, or were deleted. */
  observe(events: readonly WatchEvent[]): void
  /** A lease whose time is up: the longest overdue first, and of equals the one granted first. */
  nextExpired(nowMs: number): string | undefined
  /** No lease expires before; Infinity when there is none. May be early, never late. */
  readonly nextExpiryMs: number
}

interface Lease {
  readonly leaseId: string
  /** Rises with each grant. */
  readonly number: number
  readonly ttlMs: number
  expiresMs: number
  readonly keys: Set<string>
}

/** A place in the queue; `expiresMs` is what it was when the place was taken: a renewal leaves it early. */
interface Place {
  readonly lease: Lease
  expiresMs: number
}

/**
 * Leases in a binary heap by expiry. Renewing costs nothing: the lease keeps its
 * place, and moves back when that comes up. So each lease has one place, and a
 * tick looks at none that is not due.
 */
export function createLeases(): Leases {
  const leases = new Map<string, Lease>()
  const leaseOfKey = new Map<string, Lease>()
  const heap: Place[] = []
  let granted = 0

  return {
    get size() {
      return leases.size
    },
    get nextExpiryMs() {
      return heap[0]?.expiresMs ?? Number.POSITIVE_INFINITY
    },
    has: (leaseId) => leases.has(leaseId),
    grant(leaseId, ttlMs, nowMs) {
      granted += 1
      const lease: Lease = { leaseId, number: granted, ttlMs, expiresMs: nowMs + ttlMs, keys: new Set() }
      leases.set(leaseId, lease)
      push(heap, { lease, expiresMs: lease.expiresMs })
    },
    renew(leaseId, nowMs) {
      const lease = leases.get(leaseId)
      if (lease) lease.expiresMs = nowMs + lease.ttlMs
      return lease?.ttlMs
    },
    remove(leaseId) {
      const lease = leases.get(leaseId)
      leases.delete(leaseId)
      return [...(lease?.keys ?? [])]
    },
    observe(events) {
      for (const event of events)
        if (event.kind === 'delete') attach(event.key, undefined)
        else attach(event.entry.key, leases.get(event.entry.leaseId ?? ''))
    },
    nextExpired,
  }

  function attach(key: string, lease: Lease | undefined): void {
    leaseOfKey.get(key)?.keys.delete(key)
    leaseOfKey.delete(key)
    if (!lease) return
    lease.keys.add(key)
    leaseOfKey.set(key, lease)
  }

  function nextExpired(nowMs: number): string | undefined {
    for (let first = heap[0]; first && first.expiresMs <= nowMs; first = heap[0]) {
      const { lease } = first
      if (leases.get(lease.leaseId) !== lease) pop(heap)
      else if (lease.expiresMs <= nowMs) return lease.leaseId
      else {
        pop(heap)
        push(heap, { lease, expiresMs: lease.expiresMs })
      }
    }
    return undefined
  }
}

function isBefore(left: Place, right: Place): boolean {
  return left.expiresMs === right.expiresMs
    ? left.lease.number < right.lease.number
    : left.expiresMs < right.expiresMs
}

function push(heap: Place[], place: Place): void {
  let index = heap.push(place) - 1
  while (index > 0) {
    const parent = (index - 1) >>> 1
    if (isBefore(heap[parent]!, place)) break
    heap[index] = heap[parent]!
    index = parent
  }
  heap[index] = place
}

function pop(heap: Place[]): void {
  const last = heap.pop()
  if (!last || heap.length === 0) return
  let index = 0
  for (let child = 1; child < heap.length; child = 2 * index + 1) {
    if (child + 1 < heap.length && isBefore(heap[child + 1]!, heap[child]!)) child += 1
    if (isBefore(last, heap[child]!)) break
    heap[index] = heap[child]!
    index = child
  }
  heap[index] = last
}
