import { extname } from 'node:path'
import { checkFunction } from '@holdfast/core'
import { hashOf } from '../document.ts'
import { configError } from '../errors.ts'
import type { Loaded, Parser } from '../source.ts'
import { parseJson } from './json.ts'
import { NotParsed } from './not-parsed.ts'

const otherParsers: Readonly<Record<string, string>> = {
  '.yaml': "parseYaml of '@holdfast/config/yaml'",
  '.yml': "parseYaml of '@holdfast/config/yaml'",
  '.toml': "parseToml of '@holdfast/config/toml'",
}

/** The parser given, or JSON's; a TypeError for a name that promises another format. */
export function checkParser(path: string, parse: Parser | undefined): Parser {
  const other = otherParsers[extname(path)]
  if (parse === undefined && other) throw new TypeError(`parse must be given for ${path}, such as ${other}`)
  return checkFunction('parse', parse ?? parseJson)
}

/** Parses a text that was read; `CONFIG_UNREADABLE` where it cannot be parsed. */
export function parseText(source: string, text: string, parse: Parser, version?: string): Loaded {
  const revision = version ?? hashOf(text).slice(0, 12)
  const document = parseOrThrow(source, text, parse)
  return document === undefined ? { kind: 'empty', revision } : { kind: 'document', document, revision }
}

export function parseOrThrow(source: string, text: string, parse: Parser): unknown {
  try {
    return parse(text)
  } catch (error) {
    const problem = error instanceof Error ? error.message : String(error)
    const shown = error instanceof NotParsed ? problem : `was not parsed: ${withoutQuotes(problem, text)}`
    // No cause: a parser's own error often quotes the text, and with it the secrets.
    throw configError('CONFIG_UNREADABLE', `${source} ${shown}`, { fields: { source } })
  }
}

const longestMessage = 300
const shortestQuote = 4

/** A message without whatever it has in common with the text: a parser that quotes, as JSON.parse does, quotes secrets, too. */
export function withoutQuotes(message: string, text: string): string {
  const shown = message.slice(0, longestMessage)
  const length = Math.max(1, Math.min(shortestQuote, text.trim().length))
  const quoted = new Set<number>()
  for (let at = 0; at + length <= shown.length; at += 1)
    if (text.includes(shown.slice(at, at + length)))
      for (let offset = 0; offset < length; offset += 1) quoted.add(at + offset)
  const characters = Array.from({ length: shown.length }, (_, at) => (quoted.has(at) ? '\0' : shown[at]))
  return characters.join('').replace(/\0+/g, '…')
}
