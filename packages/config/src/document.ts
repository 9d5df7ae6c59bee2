import { createHash } from 'node:crypto'
import { configError } from './errors.ts'
import { showPath } from './path.ts'

export type Json = null | boolean | number | string | readonly Json[] | Document
/** A JSON object: one layer, or all of them merged. */
export interface Document {
  readonly [key: string]: Json
}

const mostDepth = 64
const mostNodes = 1_000_000

/**
 * Copies what a source loaded into plain data of our own, or rejects it with `CONFIG_UNREADABLE`.
 *
 * Refused are tops that are no object, values that JSON does not know, `__proto__` as a key (no
 * config needs it, and many a schema would set a prototype with it), nesting beyond 64 levels
 * and more than 1,000,000 values: what an alias bomb unfolds to.
 */
export function toDocument(source: string, loaded: unknown): Document {
  let nodes = 0
  if (!isObject(loaded)) throw unreadable([], `must be an object, got ${kindOf(loaded)}`)
  return copyObject(loaded, [])

  function copy(value: unknown, path: readonly string[]): Json {
    nodes += 1
    if (nodes > mostNodes) throw unreadable([], `holds more than ${mostNodes} values`)
    if (path.length > mostDepth)
      throw unreadable(path.slice(0, 3), `is nested deeper than ${mostDepth} levels`)
    if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
    if (typeof value === 'number' && Number.isFinite(value)) return value
    if (Array.isArray(value)) return value.map((item, index) => copy(item, [...path, String(index)]))
    if (isObject(value)) return copyObject(value, path)
    throw unreadable(path, `must be a value that JSON knows, got ${kindOf(value)}`)
  }

  function copyObject(object: Record<string, unknown>, path: readonly string[]): Document {
    const result: Record<string, Json> = {}
    for (const [key, value] of Object.entries(object)) {
      if (key === '__proto__') throw unreadable(path, 'has the key __proto__, which no config may have')
      if (value !== undefined) result[key] = copy(value, [...path, key])
    }
    return result
  }

  function unreadable(path: readonly string[], problem: string): Error {
    return configError('CONFIG_UNREADABLE', `${source}: ${showPath(path)} ${problem}`, {
      fields: { source, path },
    })
  }
}

/** A plain object: neither an array nor an instance of a class. */
export function isObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === Object.prototype || prototype === null
}

/** SHA-256, in hex, of the data with its keys in order: equal data, equal hash, whatever order it was written in. */
export function hashOf(value: Json): string {
  return createHash('sha256').update(canonical(value)).digest('hex')
}

function canonical(value: Json): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`
  if (!isObject(value)) return JSON.stringify(value)
  const keys = Object.keys(value).sort()
  return `{${keys.map((key) => `${JSON.stringify(key)}:${canonical(value[key] as Json)}`).join(',')}}`
}

/** A copy that may be written to. */
export function thaw(value: Json): unknown {
  if (Array.isArray(value)) return value.map(thaw)
  if (!isObject(value)) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, thaw(inner as Json)]))
}

function kindOf(value: unknown): string {
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  if (typeof value === 'number') return String(value)
  return typeof value === 'object' ? `an instance of ${value.constructor?.name}` : `a ${typeof value}`
}
