import { checkString } from '@holdfast/core'

/** The keys of a path: `'a.b'` and `['a', 'b']` are one; a key with a dot in it needs the second form. */
export function parsePath(option: string, path: string | readonly string[]): readonly string[] {
  const keys = typeof path === 'string' ? checkString(option, path).split('.') : path
  if (!Array.isArray(keys) || keys.length === 0 || keys.some((key) => key === ''))
    throw new TypeError(`${option} must be keys with dots between them, got ${JSON.stringify(path)}`)
  return keys
}

/** For a reader; never parsed again. */
export function showPath(keys: readonly PropertyKey[]): string {
  return keys.length === 0 ? '(the whole document)' : keys.map(String).join('.')
}
