import type { Clock, Events } from '@holdfast/core'
import type { Rate, UplinkEvents } from '../types.ts'
import {
  type Circuit,
  type CircuitLimits,
  closedCircuit,
  onCancel,
  onFailure,
  onSend,
  onSuccess,
  waitMs,
} from './circuit.ts'
import { type Bucket, fullBucket, takeTokens, tokensInMs } from './rate.ts'

/** Where every request waits for its turn: circuit, Retry-After and rate, shared by all workers. */
export interface Gate {
  /**
   * Resolves when a request with so many messages may be sent; rejects with the signal's reason, and with that of
   * `impatient` where the collector would have to be waited for. Each entry is followed by one of the three below.
   */
  enter(messages: number, signal: AbortSignal, impatient: AbortSignal): Promise<void>
  succeeded(): void
  failed(error: unknown): void
  /** We cut it ourselves. */
  cancelled(): void
  /** Nobody enters for so many milliseconds. */
  hold(ms: number): void
  readonly state: Circuit['state']
}

export function createGate(options: {
  circuit: CircuitLimits
  rate: Rate | undefined
  clock: Clock
  events: Events<UplinkEvents>
}): Gate {
  const { circuit: limits, rate, clock, events } = options
  let circuit = closedCircuit
  let heldUntil = Number.NEGATIVE_INFINITY
  let bucket: Bucket | undefined = rate && fullBucket(rate, clock.now())
  let changed = new AbortController()

  return {
    enter,
    succeeded() {
      const wasClosed = circuit.state === 'closed'
      change(onSuccess())
      if (!wasClosed) events.emit('recovered')
    },
    failed(error) {
      const before = circuit.state
      const next = onFailure(circuit, clock.now(), limits)
      change(next)
      if (next.state === 'open' && before !== 'open')
        events.emit('opened', { failures: next.failures, openMs: next.openMs, error })
    },
    cancelled: () => change(onCancel(circuit, clock.now())),
    hold(ms) {
      heldUntil = Math.max(heldUntil, clock.now() + ms)
    },
    get state() {
      return circuit.state
    },
  }

  async function enter(messages: number, signal: AbortSignal, impatient: AbortSignal): Promise<void> {
    for (;;) {
      signal.throwIfAborted()
      const collectorMs = collectorInMs()
      if (collectorMs > 0) impatient.throwIfAborted()
      const ms = Math.max(collectorMs, rateInMs(messages))
      if (ms <= 0) break
      const wakers = impatient.aborted ? [signal, changed.signal] : [signal, changed.signal, impatient]
      await clock.sleep(ms, AbortSignal.any(wakers))
    }
    if (rate && bucket) bucket = takeTokens(bucket, messages, rate, clock.now())
    if (circuit.state === 'open') events.emit('halfOpened')
    circuit = onSend(circuit)
  }

  function collectorInMs(): number {
    const now = clock.now()
    return Math.max(waitMs(circuit, now), heldUntil - now)
  }

  function rateInMs(messages: number): number {
    return rate && bucket ? tokensInMs(bucket, messages, rate, clock.now()) : 0
  }

  /** Wakes who waits, to look again. */
  function change(next: Circuit): void {
    circuit = next
    changed.abort()
    changed = new AbortController()
  }
}
