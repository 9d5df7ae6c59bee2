import {
  type Clock,
  checkFunction,
  checkMethods,
  checkNumber,
  checkString,
  type Running,
  systemClock,
} from '@holdfast/core'

/** How a check stands, as far as healing asks. */
export interface CheckStanding {
  readonly name: string
  /** `fail` calls for healing; anything else does not. */
  readonly status: string
  readonly error?: unknown
}

/** What runs the checks: a `Health` of `@holdfast/health` fits, and so does anything of this shape. */
export interface CheckBoard {
  on(event: 'changed', listener: (check: CheckStanding) => void): () => void
  reports(): readonly CheckStanding[]
}

export interface HealingOptions {
  health: CheckBoard
  /** The name of the check whose failure calls for healing. */
  check: string
  /** One step up a ladder, such as `(why) => agent.heal('session', why)`; `why` is the check's error. */
  heal: (why: unknown) => Promise<unknown>
  /** What a step gets to take effect, before the next one if the check still fails, in milliseconds, > 0. @default 30_000 */
  pauseMs?: number
  /** @default systemClock */
  clock?: Clock
}

/**
 * Climbs a healing ladder for as long as a check fails.
 *
 * The first step follows the failure at once, each further one a pause in which the check did not
 * recover; a check that fails when this starts has such a pause first. Steps never overlap. The
 * board is looked at after each `pauseMs`, too, whatever it told. A check that is unknown, or
 * blocked by another, calls for nothing: what is to be healed is elsewhere. Closing does not wait
 * for the step in hand, which may be a restart of the very unit that closes this. Where `heal`
 * rejects, `exited` does.
 */
export function startHealing(options: HealingOptions): Running {
  const { health, heal, clock = systemClock } = options
  checkMethods('health', health, ['on', 'reports'])
  checkFunction('heal', heal)
  const check = checkString('check', options.check)
  const pauseMs = checkNumber('pauseMs', options.pauseMs ?? 30_000, { min: Number.MIN_VALUE })
  let closed = false
  let turned = new AbortController()
  const unsubscribe = health.on('changed', ({ name }) => {
    if (name === check) turned.abort()
  })
  const exited = watch()
  exited.catch(() => undefined) // whoever asks for it gets it
  return { exited, close, [Symbol.asyncDispose]: close }

  async function watch(): Promise<void> {
    for (let patient = true; !closed; patient = false) {
      turned = new AbortController()
      const standing = health.reports().find(({ name }) => name === check)
      const fails = standing?.status === 'fail'
      if (fails && !patient) await heal(standing.error)
      // Looked at again in any case: a check may be stale for a blink, too short to be told.
      if (!closed) await clock.sleep(pauseMs, turned.signal)
    }
  }

  async function close(): Promise<void> {
    closed = true
    unsubscribe()
    turned.abort()
  }
}
