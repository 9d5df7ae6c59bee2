import { isObject } from './document.ts'

/** Freezes plain objects and arrays, all the way down. Instances of classes, which a schema may have made, are left alone. */
export function deepFreeze<T>(value: T): T {
  if (!Array.isArray(value) && !isObject(value)) return value
  if (Object.isFrozen(value)) return value
  Object.freeze(value) // first, so that a cycle ends
  Object.values(value).forEach(deepFreeze)
  return value
}
