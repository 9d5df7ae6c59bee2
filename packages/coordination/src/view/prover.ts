import { backoffMs, isHoldfastError } from '@holdfast/core'
import type { CoordinationStore } from '../store.ts'
import type { ResyncReason } from './change.ts'
import type { Currency } from './currency.ts'
import type { CheckedViewOptions } from './options.ts'
import type { Reads } from './reads.ts'
import { isSameList, type Replica } from './replica.ts'

/** Proves by reads that the replica is current, and finds out where it is not. */
export interface Prover {
  /** Reads at least every `maxStaleMs / 2` until the signal aborts. Never rejects. */
  prove(signal: AbortSignal): Promise<void>
  /** Compares everything now and then until the signal aborts. Never rejects. */
  compare(signal: AbortSignal): Promise<void>
  /** Reads now. */
  wake(): void
  /** A connection began: whatever is missing may be on its way. Reads now. */
  reconnected(): void
  /** A connection broke, or none began: nothing is proven until everything was compared, for another past may answer from now on. */
  disconnected(): void
  /** Compares everything now. */
  compareNow(): void
}

export interface ProverOptions {
  store: CoordinationStore
  options: CheckedViewOptions
  replica: Replica
  currency: Currency
  reads: Reads
  isConnected: () => boolean
  isStale: () => boolean
  distrust: (reason: ResyncReason) => void
  onProbeFailed: (error: unknown) => void
  onCompareFailed: (error: unknown) => void
}

type Verdict = 'proven' | 'behind'

export function createProver(parts: ProverOptions): Prover {
  const { store, options, replica, currency, reads, distrust } = parts
  const { selection, maxStaleMs, antiEntropyMs, backoff, clock, random } = options
  /** A watch that has not told in this time what a read has found is not going to. */
  const graceMs = maxStaleMs / 4
  let nap = new AbortController()
  let comparePause = new AbortController()
  let suspicion: { generation: number; revision: number; sinceMs: number } | undefined
  /** Which snapshot, and all that was told since, may be of a past that is gone; undefined once it was compared. */
  let unproven: { readonly generation: number } | undefined

  return {
    prove,
    compare,
    wake: () => nap.abort(),
    reconnected() {
      suspicion = undefined
      nap.abort()
    },
    disconnected() {
      unproven = { generation: replica.generation }
    },
    compareNow: () => comparePause.abort(),
  }

  async function prove(stop: AbortSignal): Promise<void> {
    stop.addEventListener('abort', () => nap.abort(), { once: true })
    for (let pauseMs = provenPauseMs(), failures = 0; ; ) {
      await clock.sleep(pauseMs, nap.signal)
      if (stop.aborted) return
      nap = new AbortController()
      const sentMs = clock.now()
      const finding = await probe(stop).catch((error: unknown) => ({ error }))
      if (stop.aborted) return
      if (typeof finding === 'string') {
        failures = 0
        pauseMs = finding === 'behind' ? graceMs : provenPauseMs() - (clock.now() - sentMs)
      } else {
        failures += 1
        pauseMs = backoffMs(backoff, failures, random)
        parts.onProbeFailed(finding.error)
      }
    }
  }

  function provenPauseMs(): number {
    return (maxStaleMs / 2) * (0.75 + 0.25 * random())
  }

  /**
   * One small linearizable read: is there a newer put, and how many keys are there?
   *
   * No newer put and the same count mean the same content: a deletion lowers the count, and
   * only a put, which would be newer, could raise it again.
   */
  async function probe(signal: AbortSignal): Promise<Verdict> {
    const { generation, revision, size } = replica
    const read = reads.begin()
    const known = Math.max(revision, currency.provenRevision)
    currency.begin(revision, size)
    try {
      const found = await store.range(selection, { minModRevision: revision + 1, limit: 1, signal })
      if (replica.generation !== generation) return askAgain()
      if (found.clusterId !== replica.clusterId) return doubt('replaced')
      if (found.revision < known) return doubt('rolled-back')
      if (!(await isSamePast(signal))) return 'behind'
      const unchanged = found.count === size && found.entries.every((entry) => entry.modRevision <= revision)
      if (unchanged && replica.revision === revision) currency.same(read, found)
      else if (currency.found(read, found) === 'diverged') return doubt('diverged')
    } finally {
      currency.end()
    }
    if (currency.proven.number < read.number) return isStuck() ? doubt('diverged') : 'behind'
    suspicion = undefined
    return 'proven'
  }

  /**
   * A store that was wiped, or restored from a backup, may have the same cluster id, and may have come
   * further than we had: then neither its id nor its revision gives it away, only its content does.
   */
  async function isSamePast(signal: AbortSignal): Promise<boolean> {
    const { generation } = replica
    if (unproven?.generation === generation) await compareAll(signal, () => distrust('compacted'))
    return unproven?.generation !== generation && replica.generation === generation
  }

  /** A snapshot was taken meanwhile: what was found compares with nothing. */
  function askAgain(): Verdict {
    nap.abort()
    return 'behind'
  }

  function doubt(reason: ResyncReason): Verdict {
    suspicion = undefined
    distrust(reason)
    return 'behind'
  }

  /** Whether the replica has been behind for the time of grace and has not moved. */
  function isStuck(): boolean {
    const { generation, revision } = replica
    const same = suspicion?.generation === generation && suspicion.revision === revision
    if (!same || !suspicion) suspicion = { generation, revision, sinceMs: clock.now() }
    // Without a watch it is behind by nature; when it gets stale, snapshots alone must do.
    if (!parts.isConnected() && !parts.isStale()) return false
    return clock.now() - suspicion.sinceMs >= graceMs
  }

  async function compare(stop: AbortSignal): Promise<void> {
    stop.addEventListener('abort', () => comparePause.abort(), { once: true })
    for (;;) {
      await clock.sleep(antiEntropyMs * (0.75 + 0.5 * random()), comparePause.signal)
      if (stop.aborted) return
      comparePause = new AbortController()
      // Where that past is gone, the next probe proves a later revision to compare.
      await compareAll(stop, () => {}).catch(parts.onCompareFailed)
    }
  }

  /** Reads the past as of the replica's own revision, so that nothing in flight can make a difference. */
  async function compareAll(signal: AbortSignal, onCompacted: () => void): Promise<void> {
    const { generation } = replica
    const asked = unproven
    const mine = replica.entries()
    const revision = Math.max(replica.revision, currency.provenRevision)
    const theirs = await store.range(selection, { revision, signal }).catch((error: unknown) => {
      if (isHoldfastError(error, 'WATCH_COMPACTED')) return 'compacted'
      // In this moment the store went back before that revision: the next probe tells.
      if (isHoldfastError(error, 'STORE_REFUSED')) return 'unknown'
      throw error
    })
    if (replica.generation !== generation || theirs === 'unknown') return
    if (theirs === 'compacted') onCompacted()
    else if (theirs.clusterId !== replica.clusterId) distrust('replaced')
    else if (!isSameList(mine, theirs.entries)) distrust(asked ? 'rolled-back' : 'diverged')
    else if (unproven === asked) unproven = undefined
  }
}
