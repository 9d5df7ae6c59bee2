import { isObject, type Json } from './document.ts'

/**
 * Freezes plain objects and arrays, all the way down, also below what is frozen already: a schema may freeze its top alone.
 * Instances of classes, which a schema may have made, are left alone.
 */
export function deepFreeze<T>(value: T): T {
  freeze(value, new Set())
  return value
}

function freeze(value: unknown, seen: Set<unknown>): void {
  if (!isContainer(value) || seen.has(value)) return
  seen.add(value)
  Object.freeze(value)
  for (const inner of Object.values(value)) freeze(inner, seen)
}

/** The same for documents, which only this package freezes: what is frozen is so to the bottom, and not walked again. */
export function freezeDocument<T extends Json>(document: T): T {
  if (!isContainer(document) || Object.isFrozen(document)) return document
  Object.freeze(document)
  for (const inner of Object.values(document)) freezeDocument(inner as Json)
  return document
}

function isContainer(value: unknown): value is object {
  return Array.isArray(value) || isObject(value)
}
