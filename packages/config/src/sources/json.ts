import type { Parser } from '../source.ts'
import { NotParsed } from './not-parsed.ts'

/** JSON. Its errors tell line and column alone, because the text may hold secrets. */
export const parseJson: Parser = (text) => {
  if (text.trim() === '') return undefined
  try {
    return JSON.parse(text) as unknown
  } catch {
    throw new NotParsed(`is not valid JSON${placeOfError(text)}`)
  }
}

const token =
  /\s*(?:([{}[\],:])|("(?:[^"\\\p{Cc}]|\x7f|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"|-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null))/uy

/**
 * Where JSON stops being JSON: at the last place to which a pushdown automaton could follow it.
 * V8 tells no offset for half of its messages and quotes the text in all of them.
 */
function placeOfError(text: string): string {
  const open: string[] = []
  let expected = 'value'
  let at = 0
  for (token.lastIndex = 0; ; at = token.lastIndex) {
    const match = token.exec(text)
    if (!match) break
    const next = step(expected, match[1] ?? (match[2]!.startsWith('"') ? 'string' : 'literal'), open)
    if (next === undefined) break
    expected = next
  }
  const stop = at + (/^\s*/.exec(text.slice(at))?.[0].length ?? 0)
  const lines = text.slice(0, stop).split('\n')
  return ` at line ${lines.length}, column ${lines.at(-1)!.length + 1}`
}

/** The next expectation, or undefined for a token that may not stand there. */
function step(expected: string, kind: string, open: string[]): string | undefined {
  const closer = open.at(-1) === '{' ? '}' : ']'
  const mayClose = expected === 'comma' || expected === 'first key' || expected === 'first item'
  if ((kind === '}' || kind === ']') && mayClose && open.length > 0 && kind === closer) {
    open.pop()
    return open.length === 0 ? 'end' : 'comma'
  }
  if (expected === 'value' || expected === 'first item') {
    if (kind === '{' || kind === '[') {
      open.push(kind)
      return kind === '{' ? 'first key' : 'first item'
    }
    if (kind !== 'string' && kind !== 'literal') return undefined
    return open.length === 0 ? 'end' : 'comma'
  }
  if (expected === 'key' || expected === 'first key') return kind === 'string' ? 'colon' : undefined
  if (expected === 'colon') return kind === ':' ? 'value' : undefined
  if (expected === 'comma' && kind === ',') return open.at(-1) === '{' ? 'key' : 'value'
  return undefined
}
