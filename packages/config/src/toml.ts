/** The door `@holdfast/config/toml`. */
import { parse, TomlDate, TomlError } from 'smol-toml'
import type { Parser } from './source.ts'
import { NotParsed } from './sources/not-parsed.ts'

/** TOML 1.0. Dates become their ISO 8601 text, since a config is plain data. Its errors tell line and column, never the text. */
export const parseToml: Parser = (text) => {
  if (text.trim() === '') return undefined
  try {
    return plain(parse(text))
  } catch (error) {
    if (!(error instanceof TomlError)) throw error
    throw new NotParsed(`is not valid TOML at line ${error.line}, column ${error.column}`)
  }
}

function plain(value: unknown): unknown {
  if (value instanceof TomlDate) return value.toISOString()
  if (Array.isArray(value)) return value.map(plain)
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
}
