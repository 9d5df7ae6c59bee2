import { isObject } from './document.ts'
import { configError } from './errors.ts'
import { ownValue } from './merge.ts'
import { showPath } from './path.ts'

/** One document from values that are named by their paths: files of a folder, keys of a store, variables of the environment. */
export function nest(
  source: string,
  entries: Iterable<readonly [path: readonly string[], value: unknown]>,
): Record<string, unknown> {
  const document: Record<string, unknown> = {}
  for (const [path, value] of entries) {
    let at = document
    for (const key of path.slice(0, -1)) {
      if (!Object.hasOwn(at, key)) define(at, key, {})
      const below = ownValue(at, key)
      if (!isObject(below)) throw clash(source, path)
      at = below
    }
    const last = path.at(-1) ?? ''
    if (Object.hasOwn(at, last)) throw clash(source, path)
    define(at, last, value)
  }
  return document
}

function define(at: object, key: string, value: unknown): void {
  Object.defineProperty(at, key, { value, enumerable: true, configurable: true, writable: true })
}

function clash(source: string, path: readonly string[]): Error {
  return configError(
    'CONFIG_UNREADABLE',
    `${source}: ${showPath(path)} is given twice, or both as a value and as a group of values`,
    { fields: { source, path } },
  )
}
