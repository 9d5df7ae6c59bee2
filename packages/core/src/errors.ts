const brand = Symbol.for('@holdfast/error')

export interface ErrorDetails {
  /** What caused it; kept as the standard `cause`. */
  cause?: unknown
  /** Overrides what the code says by default. */
  retryable?: boolean
  /** Facts for programs: the key, the path, the limit. Never a secret. */
  fields?: Readonly<Record<string, unknown>>
}

/** The base of every error that holdfast throws. Branch on `code`, never on the message. */
export class HoldfastError<Code extends string = string> extends Error {
  override readonly name = 'HoldfastError'
  readonly code: Code
  /** Whether the same call may succeed later with nothing changed. */
  readonly retryable: boolean
  readonly fields: Readonly<Record<string, unknown>>

  constructor(code: Code, message: string, details: ErrorDetails = {}) {
    super(message, 'cause' in details ? { cause: details.cause } : undefined)
    this.code = code
    this.retryable = details.retryable ?? false
    this.fields = details.fields ?? {}
    Object.defineProperty(this, brand, { value: true })
  }
}

/** Tells a holdfast error, of this code if one is given. Works across two copies of this package. */
export function isHoldfastError<Code extends string>(
  error: unknown,
  code?: Code,
): error is HoldfastError<Code> {
  if (typeof error !== 'object' || error === null || !(brand in error)) return false
  return code === undefined || (error as { code?: unknown }).code === code
}

/** Makes the errors of one package. `codes` lists them, each with what `retryable` is by default. */
export interface ErrorFactory<Code extends string> {
  (code: Code, message: string, details?: ErrorDetails): HoldfastError<Code>
  readonly codes: Readonly<Record<Code, Retryability>>
}

export type Retryability = 'retryable' | 'permanent'

/** Declares the error codes of a package, once, in its `src/errors.ts`. */
export function defineErrors<Code extends string>(
  codes: Readonly<Record<Code, Retryability>>,
): ErrorFactory<Code> {
  const create = (code: Code, message: string, details: ErrorDetails = {}): HoldfastError<Code> =>
    new HoldfastError(code, message, { retryable: codes[code] === 'retryable', ...details })
  return Object.assign(create, { codes })
}
