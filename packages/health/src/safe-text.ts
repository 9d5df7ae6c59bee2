import { isHoldfastError } from '@holdfast/core'

/**
 * One line about an error that may be shown to anyone who asks.
 *
 * Messages that holdfast did not write may hold a password or a token (a
 * database driver quotes its URL), so of foreign errors only the code or the
 * name is told. The error itself goes to the listeners of `changed`.
 */
export function safeText(error: unknown): string {
  if (isHoldfastError(error)) return oneLine(`${error.code}: ${error.message}`)
  const { code, name } = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>
  if (typeof code === 'string' && /^\w{1,64}$/.test(code)) return code
  return typeof name === 'string' && /^\w{1,64}$/.test(name) ? name : 'failed'
}

/** Control characters become spaces; what is longer than a few hundred characters is cut. */
export function oneLine(text: string): string {
  const line = text.replace(/\p{Cc}+/gu, ' ')
  return line.length > 300 ? `${line.slice(0, 299)}…` : line
}
