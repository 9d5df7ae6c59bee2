import { inspect } from 'node:util'
import { isObject } from './document.ts'
import { ownValue } from './merge.ts'

/** What stands where a secret stood. */
export const redacted = '[redacted]'

/** Knows which paths are secret, and the values that stood there in any config that was tried. */
export interface Secrets {
  /** Learns the secret values of a document, or of what a schema made of it, before anything about it is shown. */
  learn(document: unknown): void
  /** Whether a path is secret, or lies below one that is. */
  covers(path: readonly string[]): boolean
  /** The path, without the keys below its first secret part. */
  cutPath(path: readonly string[]): readonly string[]
  /** A copy of a value at a path without the secrets at, above or below it, nor those that were copied elsewhere. */
  redactValue(value: unknown, path: readonly string[]): unknown
  /** The text with every secret that it contains replaced. */
  redactText(text: string): string
  /** The error itself if it is plain through and through and shows no secret; else a copy, causes and stacks included, in which none does. */
  redactError(error: unknown): unknown
}

const mostDepth = 8
/** A line of a longer secret that is shorter may stand anywhere. */
const shortestLine = 6

/** Keeps `mostTexts` texts, so that a late error about an old config is redacted too; beyond that the longest unused are forgotten. */
export function createSecrets(patterns: readonly (readonly string[])[], mostTexts = 10_000): Secrets {
  const texts = new Set<string>()
  return { learn, covers, cutPath, redactValue, redactText, redactError }

  function learn(document: unknown): void {
    for (const pattern of patterns) for (const value of valuesAt(document, pattern)) remember(value)
    for (const oldest of texts) {
      if (texts.size <= mostTexts) break
      texts.delete(oldest)
    }
  }

  function remember(value: unknown): void {
    if (isObject(value)) {
      for (const [key, inner] of Object.entries(value)) for (const part of [key, inner]) remember(part)
    } else if (Array.isArray(value)) value.forEach(remember)
    else if (['string', 'number', 'bigint'].includes(typeof value)) {
      for (const form of formsOf(String(value))) {
        texts.delete(form) // and last again, so that what is in use is not the first to be forgotten
        texts.add(form)
      }
    }
  }

  function covers(path: readonly string[]): boolean {
    return patterns.some((pattern) => matches(pattern, path))
  }

  function cutPath(path: readonly string[]): readonly string[] {
    const lengths = patterns.filter((pattern) => matches(pattern, path)).map((pattern) => pattern.length)
    return path.slice(0, Math.min(path.length, ...lengths))
  }

  function redactValue(value: unknown, path: readonly string[]): unknown {
    if (value === undefined) return undefined
    if (covers(path)) return redacted
    if (typeof value === 'string') return redactText(value)
    if (Array.isArray(value)) return value.map((item, index) => redactValue(item, [...path, String(index)]))
    if (isObject(value)) {
      const entries = Object.entries(value)
      return Object.fromEntries(entries.map(([key, inner]) => [key, redactValue(inner, [...path, key])]))
    }
    const shown = inspect(value)
    return redactText(shown) === shown ? value : redacted
  }

  function redactText(text: string): string {
    // The longest first, or a secret that begins with another would leave its tail.
    const longestFirst = [...texts].filter((one) => text.includes(one)).sort((a, b) => b.length - a.length)
    return longestFirst.reduce((result, one) => result.replaceAll(one, redacted), text)
  }

  function redactError(error: unknown): unknown {
    return texts.size === 0 || isHarmless(error, 0) ? error : copyOf(error, 0)
  }

  /** Whether all of it was looked at, and no secret is in it. Of what is not plain data, nobody knows what it will show. */
  function isHarmless(value: unknown, depth: number): boolean {
    if (typeof value === 'string') return redactText(value) === value
    if (typeof value !== 'object' || value === null) return typeof value !== 'function'
    if (depth > mostDepth || !(value instanceof Error || Array.isArray(value) || isObject(value)))
      return false
    return Reflect.ownKeys(value).every(
      (key) => isHarmless(String(key), depth) && isHarmless((value as never)[key], depth + 1),
    )
  }

  function copyOf(error: unknown, depth: number): unknown {
    if (typeof error === 'string') return redactText(error)
    if (!(error instanceof Error) || depth > mostDepth) return redactText(inspect(error))
    const { cause } = error
    const copy = new Error(
      redactText(error.message),
      cause === undefined ? undefined : { cause: copyOf(cause, depth + 1) },
    )
    const errors = error instanceof AggregateError ? error.errors.map((one) => copyOf(one, depth + 1)) : []
    const fields = Object.entries(error).flatMap(([key, value]) =>
      ['string', 'number', 'boolean'].includes(typeof value)
        ? [[redactText(key), redactValue(value, [])]]
        : [],
    )
    return Object.assign(copy, Object.fromEntries(fields), {
      name: redactText(error.name),
      stack: redactText(error.stack ?? ''),
      ...(errors.length > 0 ? { errors } : {}),
    })
  }
}

function matches(pattern: readonly string[], path: readonly string[]): boolean {
  return pattern.length <= path.length && pattern.every((key, index) => key === '*' || key === path[index])
}

function valuesAt(value: unknown, [key, ...rest]: readonly string[]): readonly unknown[] {
  if (value === undefined) return []
  if (key === undefined) return [value]
  if (key !== '*') return valuesAt(ownValue(value, key), rest)
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap((inner) => valuesAt(inner, rest))
}

/** A secret as it is, trimmed, and line by line; each as JSON and a template string quote it, and as a URL carries it. */
function formsOf(secret: string): readonly string[] {
  const lines = secret.split('\n').filter((line) => line.trim().length >= shortestLine)
  const whole = [secret, secret.trim(), ...lines.map((line) => line.trim())]
  const forms = whole.flatMap((text) => [
    text,
    JSON.stringify(text).slice(1, -1),
    inspect(text, { breakLength: Number.POSITIVE_INFINITY }).slice(1, -1),
    ...urlForms(text),
  ])
  return forms.filter((form) => form !== '')
}

function urlForms(text: string): readonly string[] {
  const wellFormed = text.replace(/\p{Surrogate}/gu, '\u{fffd}')
  const url = new URL('http://host')
  url.password = wellFormed
  const inQuery = new URLSearchParams({ '': wellFormed }).toString().slice(1)
  return [encodeURIComponent(wellFormed), inQuery, url.password]
}
