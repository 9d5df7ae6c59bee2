import { isObject } from './document.ts'

/**
 * Freezes plain objects and arrays, all the way down, also below what is frozen already: a schema may freeze its top alone.
 * Instances of classes, which a schema may have made, are left alone.
 */
export function deepFreeze<T>(value: T): T {
  freeze(value, new Set())
  return value
}

function freeze(value: unknown, seen: Set<unknown>): void {
  if ((!Array.isArray(value) && !isObject(value)) || seen.has(value)) return
  seen.add(value)
  Object.freeze(value)
  for (const inner of Object.values(value)) freeze(inner, seen)
}
