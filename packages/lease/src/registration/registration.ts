import {
  checkFunction,
  checkInteger,
  checkNumber,
  checkString,
  createEvents,
  type Events,
  type On,
  type Running,
  type WaitOptions,
} from '@holdfast/core'
import { leaseError } from '../errors.ts'
import { createDeferred, type Deferred } from '../session/deferred.ts'
import { type SessionParts, sessionParts } from '../session/parts.ts'
import type { Session } from '../session/session.ts'
import type { Owner } from './desired.ts'
import type { Wish } from './plan.ts'
import { checkMetadata, encodeRecord, instanceKey } from './record.ts'

/** Who registers. */
export interface Identity {
  /** What is looked for: any text without lone surrogates. */
  readonly service: string
  /** Which instance of it: unique within the service, the same after a restart. */
  readonly id: string
  /**
   * Higher with each start of this instance, ≥ 0: see `nextIncarnation`. The higher one takes the lower
   * one's place. @default what the session counted in its `stateFolder`
   */
  readonly incarnation?: number
}

/** An instance of a service, kept in the store for as long as its session is open. */
export interface Registration<Metadata> extends Running, Required<Identity> {
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
  const parts = session[sessionParts]
  const registration = new Registered(parts, checkIdentity(identity, parts.incarnation), metadata)
  await registration.stand(options.signal)
  return registration
}

/** A class, since a process may have tens of thousands: methods on a prototype cost each of them nothing. */
class Registered<Metadata> implements Registration<Metadata>, Owner {
  readonly service: string
  readonly id: string
  readonly incarnation: number
  readonly key: string
  readonly #parts: SessionParts
  readonly #ending: Deferred = createDeferred()
  #events: Events<RegistrationEvents> | undefined
  #metadata: Metadata
  #status: Registration<Metadata>['status'] = 'registered'
  #withdrawn: Promise<void> | undefined

  constructor(parts: SessionParts, { service, id, incarnation }: Required<Identity>, metadata: Metadata) {
    this.service = service
    this.id = id
    this.incarnation = incarnation
    this.key = instanceKey(service, id)
    this.#parts = parts
    this.#metadata = freeze(checkMetadata(metadata))
  }

  get metadata(): Metadata {
    return this.#metadata
  }

  get status(): Registration<Metadata>['status'] {
    return this.#status
  }

  get exited(): Promise<void> {
    return this.#ending.promise
  }

  get on(): On<RegistrationEvents> {
    this.#events ??= createEvents<RegistrationEvents>()
    return this.#events.on
  }

  stand(signal: AbortSignal | undefined): Promise<void> {
    return this.#parts.registrar.add(this.#wish(), this, signal)
  }

  async update(change: (metadata: Metadata) => Metadata, waiting: WaitOptions = {}): Promise<void> {
    checkFunction('change', change)
    if (this.#status === 'superseded' || this.#status === 'withdrawn') throw this.#ended()
    this.#metadata = freeze(checkMetadata(change(this.#metadata)))
    await this.#parts.registrar.change(this.#wish(), waiting.signal)
  }

  withdraw({ graceMs = 0, signal }: WithdrawOptions = {}): Promise<void> {
    checkNumber('graceMs', graceMs, { min: 0 })
    this.#withdrawn ??= this.#end(graceMs, signal)
    return this.#withdrawn
  }

  async close(): Promise<void> {
    const { clock, closing, closeTimeoutMs } = this.#parts
    const late = new AbortController()
    const done = new AbortController()
    void clock.sleep(closeTimeoutMs, done.signal).then(() => late.abort())
    try {
      await this.withdraw({ signal: late.signal })
    } catch (error) {
      if (!late.signal.aborted && !closing.aborted) throw error
    } finally {
      done.abort()
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  onForeign(): void {
    if (this.#status === 'withdrawn') return
    this.#status = 'superseded'
    const error = this.#ended()
    this.#events?.emit('superseded', error)
    this.#ending.reject(error)
  }

  /** For good, also when it was the session that was closed. */
  onClosed(): void {
    if (this.#status === 'superseded') return
    this.#status = 'withdrawn'
    this.#ending.resolve()
  }

  async #end(graceMs: number, signal: AbortSignal | undefined): Promise<void> {
    if (graceMs > 0 && this.#status === 'registered') await this.#drain(graceMs, signal)
    if (this.status === 'superseded' || this.#parts.closing.aborted) return
    this.onClosed()
    await this.#parts.registrar.change(this.#wish(), signal)
  }

  /** The grace is counted from when the mark stands; a store that is away delays it by no more than as long again. */
  async #drain(graceMs: number, signal: AbortSignal | undefined): Promise<void> {
    const { clock, closing, registrar } = this.#parts
    this.#status = 'draining'
    const stop = signal ? AbortSignal.any([closing, signal]) : closing
    const marked = registrar.change(this.#wish()).then(
      () => true,
      // Superseded or closed meanwhile: `#end` sees that itself.
      () => false,
    )
    const isMarked = await Promise.race([marked, clock.sleep(graceMs, stop).then(() => false)])
    if (isMarked) await clock.sleep(graceMs, stop)
  }

  #wish(): Wish {
    const { key, incarnation } = this
    if (this.#status === 'withdrawn') return { key, incarnation, value: undefined }
    const record = { owner: this.#parts.owner, incarnation, draining: this.#status === 'draining' }
    return { key, incarnation, value: encodeRecord({ ...record, metadata: this.#metadata }) }
  }

  #ended(): Error {
    const { key, incarnation } = this
    const fields = { key, incarnation }
    return this.#status === 'superseded'
      ? leaseError('REGISTRATION_SUPERSEDED', `another process has taken ${key}: stop acting as it`, {
          fields,
        })
      : leaseError('REGISTRATION_WITHDRAWN', `${key} was withdrawn: register again`, { fields })
  }
}

function checkIdentity(
  { service, id, incarnation }: Identity,
  counted: number | undefined,
): Required<Identity> {
  const number = incarnation ?? counted
  if (number === undefined)
    throw new TypeError('incarnation must be given, or counted: open the session with a stateFolder')
  checkInteger('incarnation', number, { min: 0 })
  return { service: checkName('service', service), id: checkName('id', id), incarnation: number }
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
