/** The door `@holdfast/config/yaml`. */
import { LineCounter, parseDocument } from 'yaml'
import type { Parser } from './source.ts'
import { NotParsed } from './sources/not-parsed.ts'

/**
 * YAML 1.2, one document, at most 100 aliases counted with all that they unfold to, no tags of its own.
 * Its errors tell line, column and the kind of mistake, never the text.
 */
export const parseYaml: Parser = (text) => {
  const lines = new LineCounter()
  const document = parseDocument(text, {
    prettyErrors: false,
    lineCounter: lines,
    version: '1.2',
    schema: 'core',
  })
  const [first] = document.errors
  if (first) {
    const { line, col } = lines.linePos(first.pos[0])
    throw new NotParsed(`is not valid YAML at line ${line}, column ${col}: ${first.code}`)
  }
  try {
    return (document.toJS({ maxAliasCount: 100 }) as unknown) ?? undefined
  } catch {
    throw new NotParsed('is not usable YAML: it has too many aliases, or one without its anchor')
  }
}
