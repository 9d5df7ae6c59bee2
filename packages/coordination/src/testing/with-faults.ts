import {
  type Clock,
  checkFunction,
  checkMethods,
  checkNumber,
  checkOneOf,
  type Random,
  systemClock,
  type WaitOptions,
  withTimeout,
} from '@holdfast/core'
import { coordinationError } from '../errors.ts'
import type { CoordinationStore, Watch } from '../store.ts'
import { createFaultyWatch, type FaultyWatch } from './faulty-watch.ts'
import { type Cut, createNetwork, type Delay, type Leg, type Losses, type Method } from './network.ts'

/** A store behind a bad network. Each fault holds until it is replaced or healed. */
export interface FaultyStore extends CoordinationStore {
  /**
   * Cuts the network, by default both ways. Calls hang until their deadline, and what is lost
   * stays lost when it heals. Open watches fall silent where answers are cut, go on without a
   * loss if it heals in time, and break after `silenceMs`.
   */
  partition(cut?: Cut): void
  /** Delays each request, each answer and each batch by a time drawn from the range. Batches of one watch stay in order. */
  delay(delay: Delay): void
  /** Loses by chance. */
  lose(losses: Losses): void
  /** Loses the next request of this method, which is then not applied, or its answer, and then it is. Adds up. */
  loseNext(leg: Leg, method: Method): void
  /** Breaks every open watch now. */
  breakWatches(): void
  /** Ends every fault. */
  heal(): void
}

export interface FaultsOptions {
  /** @default systemClock */
  clock?: Clock
  /** @default Math.random */
  random?: Random
  /** When a call that nobody answers rejects with `STORE_UNAVAILABLE`, in milliseconds, > 0. @default 5_000 */
  deadlineMs?: number
  /** How long a watch bears a partition, in milliseconds, > 0. @default 7_000 */
  silenceMs?: number
}

/** One call under way: `caller` may give up while the call still travels on `line`. */
interface Call {
  readonly caller: AbortController
  readonly line: AbortController
}

/**
 * Puts a store behind a network that fails on demand, by script or by chance.
 *
 * Without a fault it changes nothing. A call that was given up, by its deadline or
 * by its signal, may still arrive and be applied later, as on a real network.
 * Closing it closes the store and drops what is under way.
 */
export function withFaults(store: CoordinationStore, options: FaultsOptions = {}): FaultyStore {
  const clock = checkMethods('clock', options.clock ?? systemClock, ['now', 'sleep'])
  const deadlineMs = checkNumber('deadlineMs', options.deadlineMs ?? 5_000, { min: Number.MIN_VALUE })
  const silenceMs = checkNumber('silenceMs', options.silenceMs ?? 7_000, { min: Number.MIN_VALUE })
  const network = createNetwork(checkFunction('random', options.random ?? Math.random))
  const calls = new Set<Call>()
  const watches = new Set<FaultyWatch>()
  let silence = new AbortController()
  let closing: Promise<void> | undefined

  return {
    range: (selection, wait = {}) => call('range', wait, () => store.range(selection, unsignalled(wait))),
    transact: (transaction, wait) => call('transact', wait, () => store.transact(transaction)),
    watch: (selection, wait = {}) =>
      call(
        'watch',
        wait,
        () => store.watch(selection, unsignalled(wait)),
        (lost) => lost.close(),
      ).then(passOn),
    grantLease: (ttlMs, wait) => call('grantLease', wait, () => store.grantLease(ttlMs)),
    keepAlive: (leaseId, wait) => call('keepAlive', wait, () => store.keepAlive(leaseId)),
    revokeLease: (leaseId, wait) => call('revokeLease', wait, () => store.revokeLease(leaseId)),
    stats: () => store.stats?.() ?? {},
    close,
    [Symbol.asyncDispose]: close,
    partition,
    delay: network.delay,
    lose: network.lose,
    loseNext: network.loseNext,
    breakWatches,
    heal,
  }

  async function call<T>(
    method: Method,
    { signal }: WaitOptions = {},
    apply: () => Promise<T>,
    discard: (lost: T) => Promise<void> = async () => {},
  ): Promise<T> {
    if (closing) throw storeClosed()
    signal?.throwIfAborted()
    const under: Call = { caller: new AbortController(), line: new AbortController() }
    const giveUp = (): void => under.caller.abort(signal?.reason)
    signal?.addEventListener('abort', giveUp, { once: true })
    calls.add(under)
    try {
      return await withTimeout(answer, {
        timeoutMs: deadlineMs,
        onTimeout: () => unavailable(`${method}() was not answered in ${deadlineMs} ms`),
        signal: under.caller.signal,
        clock,
      })
    } finally {
      signal?.removeEventListener('abort', giveUp)
    }

    async function answer(given: AbortSignal): Promise<T> {
      const found = await travel(method, apply, under.line.signal).finally(() => calls.delete(under))
      if (found.arrives && 'error' in found) throw found.error
      if (found.arrives && 'value' in found && !given.aborted) return found.value
      if ('value' in found) await discard(found.value)
      return await new Promise<never>(() => {})
    }
  }

  /** There and back, whoever still waits. A store's error is an answer like any other. */
  async function travel<T>(method: Method, apply: () => Promise<T>, line: AbortSignal): Promise<Journey<T>> {
    if (!(await passes('request', method, line))) return { arrives: false }
    const answer = await apply().then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    )
    return { ...answer, arrives: await passes('answer', method, line) }
  }

  async function passes(leg: Leg, method: Method, line: AbortSignal): Promise<boolean> {
    if (network.loses(leg, method)) return false
    const ms = network.drawDelayMs()
    if (ms === 0) return true
    await clock.sleep(ms, line)
    return !line.aborted && !network.isCut(leg)
  }

  function passOn(watch: Watch): Watch {
    const faulty = createFaultyWatch({ watch, network, clock, onEnd: (ended) => watches.delete(ended) })
    watches.add(faulty)
    return faulty
  }

  function partition(cut: Cut = 'both'): void {
    checkOneOf('cut', cut, ['requests', 'answers', 'both'])
    network.cut = cut
    silence.abort()
    silence = new AbortController()
    const { signal } = silence
    void clock.sleep(silenceMs, signal).then(() => {
      if (!signal.aborted) breakWatches()
    })
    wakeWatches()
  }

  function heal(): void {
    network.heal()
    silence.abort()
    wakeWatches()
  }

  function wakeWatches(): void {
    for (const watch of watches) watch.wake()
  }

  function breakWatches(): void {
    for (const watch of [...watches]) watch.break(unavailable('the connection of the watch broke'))
  }

  function close(): Promise<void> {
    closing ??= closeAll()
    return closing
  }

  async function closeAll(): Promise<void> {
    silence.abort()
    for (const { caller, line } of [...calls]) {
      caller.abort(storeClosed())
      line.abort()
    }
    for (const watch of [...watches]) watch.break(storeClosed())
    await store.close()
  }
}

type Journey<T> = { readonly arrives: boolean } & ({ value: T } | { error: unknown } | object)

/** The caller's own abort must not reach the store: what was sent is on its way. */
function unsignalled<O extends WaitOptions>({ signal: _, ...rest }: O): Omit<O, 'signal'> {
  return rest
}

function unavailable(message: string): Error {
  return coordinationError('STORE_UNAVAILABLE', message)
}

function storeClosed(): Error {
  return coordinationError('STORE_CLOSED', 'the store was closed: open a new one')
}
