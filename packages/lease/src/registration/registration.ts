import {
  checkFunction,
  checkInteger,
  checkNumber,
  checkString,
  createEvents,
  type On,
  type Running,
  type WaitOptions,
} from '@holdfast/core'
import { leaseError } from '../errors.ts'
import { createDeferred } from '../session/deferred.ts'
import { sessionParts } from '../session/parts.ts'
import type { Session } from '../session/session.ts'
import type { Wish } from './plan.ts'
import { checkMetadata, encodeRecord, instanceKey } from './record.ts'

/** Who registers. */
export interface Identity {
  /** What is looked for: any text without lone surrogates. */
  readonly service: string
  /** Which instance of it: unique within the service, the same after a restart. */
  readonly id: string
  /** Higher with each start of this instance, ≥ 0: see `nextIncarnation`. The higher one takes the lower one's place. */
  readonly incarnation: number
}

/** An instance of a service, kept in the store for as long as its session is open. */
export interface Registration<Metadata> extends Running, Identity {
  readonly key: string
  /** As last wished, frozen. */
  readonly metadata: Metadata
  /** `superseded` and `withdrawn` are final. */
  readonly status: 'registered' | 'draining' | 'superseded' | 'withdrawn'
  /**
   * Changes the metadata; resolves when the store has it. Written only over what we wrote ourselves.
   * While the session is lost it waits for the next epoch; an abort ends the waiting, not the change.
   */
  update(change: (metadata: Metadata) => Metadata, options?: WaitOptions): Promise<void>
  /**
   * Marks the instance as draining, so that nobody picks it, waits, and removes it. Resolves when it is
   * gone. An abort ends the waiting: it is removed at once, or, where the store cannot be reached, as soon as it can.
   */
  withdraw(options?: WithdrawOptions): Promise<void>
  readonly on: On<RegistrationEvents>
  /** Resolves when withdrawn; rejects with `REGISTRATION_SUPERSEDED`. */
  readonly exited: Promise<void>
  /** Withdraws without grace, and waits for that no longer than the session's `closeTimeoutMs`. */
  close(): Promise<void>
}

export interface RegistrationEvents {
  /** Another process has taken this identity with an incarnation not below ours. Final: it is not contested. */
  superseded(error: unknown): void
}

export interface WithdrawOptions extends WaitOptions {
  /** How long it stays marked as draining, in milliseconds, ≥ 0. @default 0 */
  graceMs?: number
}

/**
 * Registers an instance: resolves when the store has it, and keeps it there until withdrawn.
 *
 * Whatever removes or changes it from outside is repaired: after a loss of the session with the next
 * epoch, else within one event. Many calls in one turn share transactions. A lower incarnation of the same
 * instance is taken over, and told so by `superseded`; `REGISTRATION_CONFLICT` when a live one is not
 * lower: retry to wait for its end. Metadata is any JSON value of at most 64 KiB.
 */
export async function register<Metadata>(
  session: Session,
  identity: Identity,
  metadata: Metadata,
  options: WaitOptions = {},
): Promise<Registration<Metadata>> {
  const { registrar, owner, clock, closing, closeTimeoutMs } = session[sessionParts]
  const { service, id, incarnation } = checkIdentity(identity)
  const key = instanceKey(service, id)
  const events = createEvents<RegistrationEvents>()
  const ending = createDeferred()
  let current = freeze(checkMetadata(metadata))
  let status: Registration<Metadata>['status'] = 'registered'
  let withdrawn: Promise<void> | undefined

  await registrar.add(wish(), { onForeign: supersede, onClosed: finish }, options.signal)
  return {
    ...{ service, id, incarnation, key, on: events.on, exited: ending.promise },
    get metadata() {
      return current
    },
    get status() {
      return status
    },
    update,
    withdraw,
    close,
    [Symbol.asyncDispose]: close,
  }

  function wish(): Wish {
    const draining = status === 'draining'
    const value =
      status === 'withdrawn' ? undefined : encodeRecord({ owner, incarnation, draining, metadata: current })
    return { key, incarnation, value }
  }

  function supersede(): void {
    if (status === 'withdrawn') return
    status = 'superseded'
    const error = ended()
    events.emit('superseded', error)
    ending.reject(error)
  }

  async function update(change: (metadata: Metadata) => Metadata, waiting: WaitOptions = {}): Promise<void> {
    checkFunction('change', change)
    if (status === 'superseded' || status === 'withdrawn') throw ended()
    current = freeze(checkMetadata(change(current)))
    await registrar.change(wish(), waiting.signal)
  }

  function withdraw({ graceMs = 0, signal }: WithdrawOptions = {}): Promise<void> {
    checkNumber('graceMs', graceMs, { min: 0 })
    withdrawn ??= end(graceMs, signal)
    return withdrawn
  }

  async function end(graceMs: number, signal: AbortSignal | undefined): Promise<void> {
    if (graceMs > 0 && status === 'registered') await drain(graceMs, signal)
    if (status === 'superseded' || closing.aborted) return
    finish()
    await registrar.change(wish(), signal)
  }

  /** The grace is counted from when the mark stands; a store that is away delays it by no more than as long again. */
  async function drain(graceMs: number, signal: AbortSignal | undefined): Promise<void> {
    status = 'draining'
    const stop = signal ? AbortSignal.any([closing, signal]) : closing
    const marked = registrar.change(wish()).then(
      () => true,
      // Superseded or closed meanwhile: `end` sees that itself.
      () => false,
    )
    const isMarked = await Promise.race([marked, clock.sleep(graceMs, stop).then(() => false)])
    if (isMarked) await clock.sleep(graceMs, stop)
  }

  /** For good, also when it was the session that was closed. */
  function finish(): void {
    if (status === 'superseded') return
    status = 'withdrawn'
    ending.resolve()
  }

  async function close(): Promise<void> {
    const late = new AbortController()
    const done = new AbortController()
    void clock.sleep(closeTimeoutMs, done.signal).then(() => late.abort())
    try {
      await withdraw({ signal: late.signal })
    } catch (error) {
      if (!late.signal.aborted && !closing.aborted) throw error
    } finally {
      done.abort()
    }
  }

  function ended(): Error {
    const fields = { key, incarnation }
    return status === 'superseded'
      ? leaseError('REGISTRATION_SUPERSEDED', `another process has taken ${key}: stop acting as it`, {
          fields,
        })
      : leaseError('REGISTRATION_WITHDRAWN', `${key} was withdrawn: register again`, { fields })
  }
}

function checkIdentity({ service, id, incarnation }: Identity): Identity {
  checkInteger('incarnation', incarnation, { min: 0 })
  return { service: checkName('service', service), id: checkName('id', id), incarnation }
}

export function checkName(option: string, value: unknown): string {
  const name = checkString(option, value)
  if (!/\p{Surrogate}/u.test(name)) return name
  throw new TypeError(`${option} must be well-formed Unicode, got ${JSON.stringify(name)}`)
}

function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null) return value
  for (const part of Object.values(value)) freeze(part)
  return Object.freeze(value)
}
