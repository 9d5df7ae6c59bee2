import { coordinationError } from '@holdfast/coordination'
import { type Clock, type HoldfastError, isHoldfastError, type Random, withTimeout } from '@holdfast/core'
import type { Connection } from './connection.ts'
import { raceInTurn } from './race.ts'

/** The one connection that a store works on, and the next one when it breaks. */
export interface Connections<C extends Connection> {
  /** The live connection; dials where there is none, once for all who wait. */
  current(): Promise<C>
  /** The live connection, if there is one now. */
  readonly live: C | undefined
  /** A call made at `sinceMs` got no answer: breaks the connection where nothing else was heard since either. */
  suspect(sinceMs: number): void
  /** Dials anew, and only then lets the old connection go, when all that rides on it is over. */
  replace(): Promise<void>
  /** Breaks every connection with this reason, and refuses new ones with it. */
  close(reason: HoldfastError): void
}

export interface ConnectionsOptions<C extends Connection> {
  endpoints: readonly string[]
  /** Connects and proves that the endpoint serves. Rejects, and leaves nothing open, when the signal aborts first. */
  dial(endpoint: string, signal: AbortSignal): Promise<C>
  /** Called with each connection that becomes the live one. */
  onConnected(connection: C): void
  timeoutMs: number
  clock: Clock
  random: Random
}

/** How long one endpoint may stay silent before the next is tried beside it: "Connection Attempt Delay" of RFC 8305. */
const staggerMs = 250

export function createConnections<C extends Connection>(options: ConnectionsOptions<C>): Connections<C> {
  const { endpoints, timeoutMs, clock, random } = options
  const all = new Set<C>()
  const closing = new AbortController()
  let first = Math.floor(random() * endpoints.length)
  let live: C | undefined
  let dialling: Promise<C> | undefined

  return {
    current,
    get live() {
      return live?.broken ? undefined : live
    },
    suspect(sinceMs) {
      if (live && live.heardMs < sinceMs) live.break(unavailable(`${live.endpoint} does not answer`))
    },
    replace,
    close(reason) {
      closing.abort(reason)
      for (const connection of [...all]) connection.break(reason)
    },
  }

  async function current(): Promise<C> {
    closing.signal.throwIfAborted()
    if (live && !live.broken) return live
    return await dialOnce()
  }

  async function replace(): Promise<void> {
    const old = live
    const next = await dialOnce()
    if (next !== old) old?.retire(unavailable(`${old.endpoint}: replaced by a newer connection`))
  }

  function dialOnce(): Promise<C> {
    dialling ??= dialAny().finally(() => {
      dialling = undefined
    })
    return dialling
  }

  async function dialAny(): Promise<C> {
    if (live?.broken) first = (endpoints.indexOf(live.endpoint) + 1) % endpoints.length
    const order = endpoints.map((_, index) => endpoints[(first + index) % endpoints.length]!)
    live = await withTimeout((signal) => firstThatServes(order, signal), {
      timeoutMs,
      signal: closing.signal,
      clock,
      onTimeout: () => unavailable(`no etcd answered at ${endpoints.join(', ')} within ${timeoutMs} ms`),
    })
    const connection = live
    all.add(connection)
    connection.onBroken(() => all.delete(connection))
    options.onConnected(connection)
    return connection
  }

  async function firstThatServes(order: readonly string[], signal: AbortSignal): Promise<C> {
    const discard = (late: C): void =>
      late.break(unavailable(`${late.endpoint}: another endpoint was faster`))
    try {
      return await raceInTurn(order, options.dial, { staggerMs, clock, signal, discard })
    } catch (error) {
      throw error instanceof AggregateError ? nobody(error.errors) : error
    }
  }

  function nobody(errors: readonly unknown[]): HoldfastError {
    const denied = errors.find((error) => isHoldfastError(error, 'STORE_DENIED'))
    if (denied) return denied as HoldfastError
    const reasons = errors.map((error) => (error instanceof Error ? error.message : String(error)))
    return unavailable(`no etcd serves at ${endpoints.join(', ')}: ${reasons.join('; ')}`, errors)
  }

  function unavailable(message: string, cause?: unknown): HoldfastError {
    return coordinationError('STORE_UNAVAILABLE', message, { cause, fields: { endpoints } })
  }
}
