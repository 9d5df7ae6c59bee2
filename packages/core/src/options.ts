/** The range that a number must be in, ends included. */
export interface NumberRange {
  min?: number
  max?: number
}

/** Returns `value` if it is a number in the range (Infinity only where `max` allows it), else throws a RangeError or TypeError that names the option. */
export function checkNumber(option: string, value: unknown, range: NumberRange = {}): number {
  return checked(option, value, 'a number', (number) => !Number.isNaN(number), range)
}

/** Like `checkNumber`, for safe integers. `Infinity` passes where `max` is Infinity. */
export function checkInteger(option: string, value: unknown, range: NumberRange = {}): number {
  const infinite = range.max === Number.POSITIVE_INFINITY
  return checked(
    option,
    value,
    infinite ? 'an integer or Infinity' : 'an integer',
    (number) => Number.isSafeInteger(number) || (infinite && number === Number.POSITIVE_INFINITY),
    range,
  )
}

/** Returns `value` if it is a string of at least one character, else throws a TypeError that names the option. */
export function checkString(option: string, value: unknown): string {
  if (typeof value === 'string' && value !== '') return value
  throw new TypeError(`${option} must be a non-empty string, got ${show(value)}`)
}

/** Returns `value` if it is one of the choices, else throws a TypeError that names the option. */
export function checkOneOf<const T extends string>(option: string, value: unknown, choices: readonly T[]): T {
  const choice = choices.find((candidate) => candidate === value)
  if (choice !== undefined) return choice
  throw new TypeError(`${option} must be one of ${choices.map(show).join(', ')}, got ${show(value)}`)
}

/** Returns `value` if it is a function, else throws a TypeError that names the option. */
export function checkFunction<F>(option: string, value: F): F {
  if (typeof value === 'function') return value
  throw new TypeError(`${option} must be a function, got ${show(value)}`)
}

/** Returns `value` if it has these methods, else throws a TypeError that names the option: for ports passed in by structure. */
export function checkMethods<T>(option: string, value: T, methods: readonly (keyof T & string)[]): T {
  const missing = methods.filter(
    (method) => typeof (value as Partial<T> | null | undefined)?.[method] !== 'function',
  )
  if (missing.length === 0) return value
  throw new TypeError(
    `${option} must have ${missing.map((method) => `${method}()`).join(', ')}, got ${show(value)}`,
  )
}

function checked(
  option: string,
  value: unknown,
  what: string,
  isKind: (number: number) => boolean,
  { min = Number.NEGATIVE_INFINITY, max = Number.MAX_VALUE }: NumberRange,
): number {
  const bounds = `${min === Number.NEGATIVE_INFINITY ? '' : ` ≥ ${min}`}${max >= Number.MAX_VALUE ? '' : ` ≤ ${max}`}`
  const problem = `${option} must be ${what}${bounds}, got ${show(value)}`
  if (typeof value !== 'number') throw new TypeError(problem)
  if (!isKind(value) || value < min || value > max) throw new RangeError(problem)
  return value
}

function show(value: unknown): string {
  if (typeof value === 'string') return JSON.stringify(value.length > 80 ? `${value.slice(0, 80)}…` : value)
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object'
  return typeof value === 'function' ? 'a function' : String(value)
}
