import type { HoldfastError, On, Running, WaitOptions } from '@holdfast/core'
import type { ConfigErrorCode } from './errors.ts'
import type { Explanation } from './explain.ts'
import type { Origin, Status } from './status.ts'

/** A value that cannot be written to, as far as its plain objects and arrays go. */
export type DeepReadonly<T> = T extends readonly (infer _)[]
  ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
  : T extends Builtin
    ? T
    : T extends object
      ? { readonly [K in keyof T]: DeepReadonly<T[K]> }
      : T

type Builtin =
  | Date
  | RegExp
  | URL
  | Uint8Array
  | ReadonlyMap<unknown, unknown>
  | ReadonlySet<unknown>
  | ((...args: never[]) => unknown)

/** A config that is running: valid from the first moment to the last. */
export interface Config<T> extends Running {
  /** What the schema made of the layers, deeply frozen. Every change brings a new object, in the same turn of the event loop as the derived parts that belong to it. */
  readonly value: DeepReadonly<T>
  readonly origin: Origin
  /** Counts the swaps of this process, from 1. */
  readonly revision: number
  /** SHA-256 of the merged document, before the schema's defaults. */
  readonly hash: string
  readonly on: On<ConfigEvents>
  status(): Status
  /** What each layer says about a path such as `upstream.url`, and which of them won. Secrets are redacted. */
  explain(path: string | readonly string[]): Explanation
  /**
   * Has a client, a pool or a rule set follow the config it was made from.
   *
   * Resolves once a first one is open, and rejects with `CONFIG_OPEN_FAILED` when that fails. A
   * later change of `select`'s result makes a second one while the first still serves; one part
   * that cannot be made refuses the change for all of them. Parts open in the order of their
   * deriving and are disposed in reverse. Must not be called, nor `refresh` awaited, in an `open`.
   */
  derive<S, P>(options: DeriveOptions<T, S, P>): Promise<Derived<P>>
  /** Reads every source at once and applies what it finds, though it was rejected before. Resolves with the outcome; never rejects for a bad config. */
  refresh(options?: WaitOptions): Promise<Status>
}

export interface DeriveOptions<T, S, P> {
  /** For events and errors; unique among the config's parts. */
  readonly name: string
  /** What the part depends on. Must be pure; compared deeply. */
  readonly select: (value: DeepReadonly<T>) => S
  /** Makes the part. The signal aborts at `openTimeoutMs` and at close; what resolves after that is disposed. */
  readonly open: (selected: S, options: { readonly signal: AbortSignal }) => Promise<P>
  /** Ends a part. @default its own drain({ signal }), then its Symbol.asyncDispose, close() or Symbol.dispose, whichever it has */
  readonly dispose?: (part: P, options: { readonly signal: AbortSignal }) => Promise<void>
}

export interface Derived<P> extends AsyncDisposable {
  readonly name: string
  /** The part made from `config.value`, at every moment. Take it anew for each use; after a swap the old one drains. */
  readonly current: P
  /** Ends the part and forgets it; also done by closing the config. */
  close(): Promise<void>
}

/** No event carries a value of the config. */
export interface ConfigEvents {
  /** A config runs, with all its parts; the old parts are not disposed yet. */
  applied(event: Applied): void
  /** A config was refused; the running one stays. Once for each refused hash, however often it is read. */
  rejected(event: Rejected): void
  /** A config that ran failed its probation, and the last-known-good took its place. */
  rolledBack(event: RolledBack): void
  /** A config passed its probation, or had none: a rollback would return to it. */
  proven(event: { readonly hash: string }): void
  /** With `reload: 'restart'`: a valid config waits for a restart. */
  pending(event: { readonly hash: string; readonly changed: readonly string[] }): void
  /** The version to come was tried: after a change of it, after boot, and with each new part. */
  staged(event: {
    readonly hash: string
    readonly ready: boolean
    readonly error?: HoldfastError<ConfigErrorCode>
  }): void
  /** A source cannot be reached, or can be again. */
  sourceFailed(event: { readonly source: string; readonly error: HoldfastError<ConfigErrorCode> }): void
  sourceRecovered(event: { readonly source: string }): void
  /** The last-known-good, or the mark of a probation, could not be written; the config runs on. The former is tried again whenever the sources are read. */
  saveFailed(event: { readonly error: HoldfastError<ConfigErrorCode> }): void
  /** An old part could not be disposed of, or not in time. */
  disposeFailed(event: { readonly part: string; readonly error: unknown }): void
}

export interface Applied {
  readonly revision: number
  readonly hash: string
  readonly origin: Origin
  /** The paths that differ from the config before, in dots, at most 100. */
  readonly changed: readonly string[]
}

export interface Rejected {
  /** Absent when the layers could not be read. */
  readonly hash?: string
  readonly error: HoldfastError<ConfigErrorCode>
}

export interface RolledBack {
  readonly from: string
  readonly to: string
  readonly error: HoldfastError<ConfigErrorCode>
}
