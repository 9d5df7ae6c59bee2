import { isDeepStrictEqual } from 'node:util'
import { type Document, isObject, type Json } from './document.ts'

/**
 * JSON Merge Patch (RFC 7396): objects merge key by key, `null` deletes, anything else replaces.
 *
 * Pure. Reads and writes own properties alone, so that no key, not even `__proto__`, reaches a prototype.
 */
export function mergePatch(target: Json | undefined, patch: Json): Json {
  if (!isObject(patch)) return patch
  const result = new Map<string, Json>(isObject(target) ? (Object.entries(target) as [string, Json][]) : [])
  for (const [key, value] of Object.entries(patch) as [string, Json][]) {
    if (value === null) result.delete(key)
    else result.set(key, mergePatch(result.get(key), value))
  }
  return Object.fromEntries(result) // which defines own properties, whatever their names
}

/** All layers on top of one another, later ones winning. */
export function mergeDocuments(documents: readonly Document[]): Document {
  return documents.reduce<Document>((merged, document) => mergePatch(merged, document) as Document, {})
}

/** The value of an own property of an object or an array. */
export function ownValue(at: unknown, key: string): unknown {
  if (typeof at !== 'object' || at === null || !Object.hasOwn(at, key)) return undefined
  return (at as Record<string, unknown>)[key]
}

const mostChanges = 100

/** The paths at which two values differ, in dots, as deep as both are objects and nothing is secret; at most 100. */
export function changedPaths(
  before: Json | undefined,
  after: Json | undefined,
  isSecret: (path: readonly string[]) => boolean = () => false,
): readonly string[] {
  const changed: string[] = []
  compare(before, after, [])
  return changed

  function compare(from: unknown, to: unknown, path: readonly string[]): void {
    if (changed.length >= mostChanges || from === to) return
    if (isObject(from) && isObject(to) && !isSecret(path)) {
      for (const key of new Set([...Object.keys(from), ...Object.keys(to)]))
        compare(ownValue(from, key), ownValue(to, key), [...path, key])
    } else if (!isDeepStrictEqual(from, to)) changed.push(path.join('.'))
  }
}
