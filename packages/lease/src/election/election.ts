import type { CoordinationStore, Transaction } from '@holdfast/coordination'
import {
  backoffMs,
  checkBackoff,
  checkFunction,
  createEvents,
  type On,
  type Running,
  type Stats,
} from '@holdfast/core'
import { leaseError } from '../errors.ts'
import { checkName } from '../registration/registration.ts'
import { sessionParts } from '../session/parts.ts'
import type { Session } from '../session/session.ts'
import { type Candidacy, campaign } from './candidacy.ts'
import { decodeCandidate, firstOf } from './candidate.ts'

/** The time for which this process leads. */
export interface Term {
  /**
   * The fencing token: higher in every later term, for as long as the store is not restored from a backup. A write to the store is safe by
   * `guard`; an effect elsewhere is safe only where the resource refuses a token lower than one it has seen.
   */
  readonly token: number
  /** Aborts when the term must end: session or key lost, resigned, or closed. */
  readonly signal: AbortSignal
  /** Whether no other can be leading, judged at this call without asking the store. Once false it stays so, and the signal has aborted. */
  isHeld(): boolean
  /** The transaction with one more comparison: nothing of it is done once the term is over in the store. */
  guard(transaction: Transaction): Transaction
}

/** A candidate that leads again and again until closed. */
export interface Election extends Running {
  /** The term that is run now. */
  readonly term: Term | undefined
  isLeader(): boolean
  /** Ends the present term, if any, waits for it, hands over, and queues up again behind all others. */
  resign(): Promise<void>
  readonly on: On<ElectionEvents>
  /** Rejects when the session's store was closed under it. */
  readonly exited: Promise<void>
  stats(): Stats
  /** Ends the term, waits until `runTerm` has settled, and hands over. */
  close(): Promise<void>
}

export interface ElectionEvents {
  /** Told before `runTerm` is called. */
  elected(token: number): void
  /** `runTerm` has settled. With an error where it failed on its own. */
  ended(token: number, error?: unknown): void
}

export interface ElectionOptions {
  /** What others read about the leader, such as its address: see `readLeader`. @default '' */
  value?: string
}

/** Before queueing up again: the write would be synced first, and the next leader's confirmation wait for it. */
const stepBackMs = 15

/** After terms that failed, the pause before this candidate queues up again. */
const failedTermPause = checkBackoff('failedTermPause', { minMs: 100, maxMs: 30_000, jitter: 'equal' })

/**
 * Stands for election and runs terms, one after another, until closed.
 *
 * A term is run only after a transaction has confirmed that our own key is the lowest of all
 * candidates, with the session still held. Terms of one election never overlap here: the next begins
 * after `runTerm` has settled, so let it end when its signal aborts. When it returns or throws, the term
 * is handed over. Leaves the key in place until then: who does not stop keeps others from starting
 * for as long as the session lives, instead of working beside them.
 */
export function startElection(
  session: Session,
  name: string,
  runTerm: (term: Term) => Promise<void>,
  options: ElectionOptions = {},
): Election {
  const parts = session[sessionParts]
  const { clock, random } = parts
  const candidate = { prefix: electionPrefix(name), value: options.value ?? '' }
  checkFunction('runTerm', runTerm)
  const events = createEvents<ElectionEvents>()
  const stop = new AbortController()
  const counts = { terms: 0, failures: 0 }
  let term: Term | undefined
  let resigning = new AbortController()
  let settled = Promise.resolve()
  const part = parts.join(close)
  const running = run().finally(part)
  const exited = running.then(() => undefined)
  exited.catch((error: unknown) => void error)

  return {
    get term() {
      return term
    },
    isLeader: () => term?.isHeld() ?? false,
    resign,
    on: events.on,
    exited,
    stats,
    close,
    [Symbol.asyncDispose]: close,
  }

  async function run(): Promise<void> {
    const signal = AbortSignal.any([stop.signal, parts.closing])
    for (let failures = 0; !signal.aborted; ) {
      const candidacy = await campaign(parts, candidate, signal).catch(unlessEnding)
      if (!candidacy) return
      settled = serve(candidacy).then((failed) => {
        failures = failed ? failures + 1 : 0
      })
      await settled
      await clock.sleep(failures > 0 ? backoffMs(failedTermPause, failures, random) : stepBackMs, signal)
    }
  }

  /** Resolves with whether the term failed. */
  async function serve(candidacy: Candidacy): Promise<boolean> {
    resigning = new AbortController()
    const { token, guard } = candidacy
    const signal = AbortSignal.any([candidacy.signal, resigning.signal, stop.signal])
    const running = { token, guard, signal, isHeld: () => candidacy.isHeld() && !signal.aborted }
    term = running
    counts.terms += 1
    events.emit('elected', token)
    const error = await outcomeOf(running)
    term = undefined
    await candidacy.resign()
    events.emit('ended', token, ...(error === undefined ? [] : [error]))
    return error !== undefined
  }

  async function outcomeOf(running: Term): Promise<unknown> {
    try {
      await runTerm(running)
      return undefined
    } catch (error) {
      // A term that was told to end may well reject: with its signal's reason, for instance.
      if (running.signal.aborted) return undefined
      counts.failures += 1
      return error ?? new Error('runTerm threw nothing')
    }
  }

  function unlessEnding(error: unknown): undefined {
    if (!stop.signal.aborted && !session[sessionParts].isClosed()) throw error
  }

  async function resign(): Promise<void> {
    if (!term) return
    resigning.abort(resigned(term.token))
    await settled
  }

  async function close(): Promise<void> {
    stop.abort(resigned(term?.token))
    await running.catch(unlessEnding)
  }

  function stats(): Stats {
    return {
      election_leader: { kind: 'gauge', help: '1 while this process leads', value: term?.isHeld() ? 1 : 0 },
      election_terms_total: { kind: 'counter', help: 'Terms begun', value: counts.terms },
      election_failed_terms_total: {
        kind: 'counter',
        help: 'Terms that failed on their own',
        value: counts.failures,
      },
    }
  }
}

export interface Leader {
  readonly token: number
  readonly value: string
}

/** Who leads, by a linearizable read; undefined when nobody does. It may be over when this resolves. */
export async function readLeader(store: CoordinationStore, name: string): Promise<Leader | undefined> {
  const { entries } = await store.range({ prefix: electionPrefix(name) })
  const first = firstOf(entries)
  return first && { token: first.createRevision, value: decodeCandidate(first.value) }
}

function electionPrefix(name: string): string {
  return `elections/${encodeURIComponent(checkName('name', name))}/`
}

function resigned(token: number | undefined): Error {
  return leaseError('TERM_RESIGNED', 'the term was resigned: end it, another may lead', { fields: { token } })
}
