import { inspect } from 'node:util'
import { type Document, isObject, type Json } from './document.ts'
import { ownValue } from './merge.ts'

/** What stands where a secret stood. */
export const redacted = '[redacted]'

/** Knows which paths are secret, and the values that stood there in any config that was tried. */
export interface Secrets {
  /** Learns the secret values of a document, before anything about it is shown. */
  learn(document: Document): void
  /** A copy of a value at a path without the secrets at, above or below it. */
  redactValue(value: unknown, path: readonly string[]): unknown
  /** The text with every secret that it contains replaced. */
  redactText(text: string): string
  /** The error itself if no secret shows in it, else a copy, causes and stacks included, in which none does. */
  redactError(error: unknown): unknown
}

/** Values kept so that a late error about an old config is redacted too; beyond this the oldest are forgotten. */
const mostValues = 10_000

export function createSecrets(patterns: readonly (readonly string[])[]): Secrets {
  const values = new Set<string>()
  return { learn, redactValue, redactText, redactError }

  function learn(document: Document): void {
    for (const pattern of patterns) for (const value of valuesAt(document, pattern)) remember(value)
  }

  function remember(value: Json): void {
    if (typeof value === 'object' && value !== null) {
      for (const inner of Object.values(value)) remember(inner as Json)
      return
    }
    const text = String(value ?? '')
    if (text === '') return
    // As it is, as JSON and a template string quote it, and as a URL carries it.
    for (const form of [
      text,
      JSON.stringify(text).slice(1, -1),
      inspect(text).slice(1, -1),
      urlEncoded(text),
    ])
      values.add(form)
    for (const oldest of values) {
      if (values.size <= mostValues) break
      values.delete(oldest)
    }
  }

  function redactValue(value: unknown, path: readonly string[]): unknown {
    if (value === undefined) return undefined
    if (patterns.some((pattern) => covers(pattern, path))) return redacted
    if (Array.isArray(value)) return value.map((item, index) => redactValue(item, [...path, String(index)]))
    if (!isObject(value)) return value
    const entries = Object.entries(value)
    return Object.fromEntries(entries.map(([key, inner]) => [key, redactValue(inner, [...path, key])]))
  }

  function redactText(text: string): string {
    // The longest first, or a secret that begins with another would leave its tail.
    const longestFirst = [...values]
      .filter((value) => text.includes(value))
      .sort((a, b) => b.length - a.length)
    return longestFirst.reduce((result, value) => result.replaceAll(value, redacted), text)
  }

  function redactError(error: unknown): unknown {
    const shown = inspect(error, { depth: 8, maxStringLength: null, maxArrayLength: null, showHidden: true })
    if (redactText(shown) === shown) return error
    if (!(error instanceof Error)) return redactText(typeof error === 'string' ? error : shown)
    const { cause, code } = error as { cause?: unknown; code?: unknown }
    const copy = new Error(
      redactText(error.message),
      cause === undefined ? undefined : { cause: redactError(cause) },
    )
    copy.name = error.name
    copy.stack = redactText(error.stack ?? '')
    return typeof code === 'string' ? Object.assign(copy, { code: redactText(code) }) : copy
  }
}

function covers(pattern: readonly string[], path: readonly string[]): boolean {
  return pattern.length <= path.length && pattern.every((key, index) => key === '*' || key === path[index])
}

function valuesAt(value: unknown, [key, ...rest]: readonly string[]): readonly Json[] {
  if (value === undefined) return []
  if (key === undefined) return [value as Json]
  if (key !== '*') return valuesAt(ownValue(value, key), rest)
  if (typeof value !== 'object' || value === null) return []
  return Object.values(value).flatMap((inner) => valuesAt(inner, rest))
}

function urlEncoded(text: string): string {
  return encodeURIComponent(text.replace(/\p{Surrogate}/gu, '\u{fffd}'))
}
