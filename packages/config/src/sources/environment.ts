import { checkFunction, checkString } from '@holdfast/core'
import { hashOf } from '../document.ts'
import { nest } from '../nest.ts'
import type { Source } from '../source.ts'
import { parseOrThrow } from './parse.ts'

export interface EnvironmentSourceOptions {
  /** Only variables whose names begin with it are read, without it. Case counts. */
  prefix: string
  /** Stands in names where a path has a dot. @default '__' */
  separator?: string
  /** Makes a value of the text; the path is given as keys. @default the text itself: let the schema coerce it */
  parse?: (text: string, path: readonly string[]) => unknown
  /** @default 'environment PREFIX*' */
  name?: string
}

/**
 * The environment as a layer: with the prefix `AGENT_`, `AGENT_UPSTREAM__MAX_BYTES` is `upstream.maxBytes`.
 *
 * Give it `process.env`. Names become camel case, group by group. Empty variables count, as empty
 * texts; a prefix that no variable has gives an empty document. Does not wake: an environment does not change.
 */
export function environmentSource(
  variables: Readonly<Record<string, string | undefined>>,
  options: EnvironmentSourceOptions,
): Source {
  const prefix = checkString('prefix', options.prefix)
  const separator = checkString('separator', options.separator ?? '__')
  const parse = checkFunction('parse', options.parse ?? ((text: string) => text))
  const name = checkString('name', options.name ?? `environment ${prefix}*`)
  return {
    name,
    optional: false,
    start: () => ({ load: async () => read(), close: async () => undefined }),
  }

  function read(): ReturnType<typeof documentOf> {
    const entries = Object.entries(variables).flatMap(([variable, text]) => {
      if (!variable.startsWith(prefix) || text === undefined) return []
      const path = variable.slice(prefix.length).split(separator).map(camelCase)
      const value = parseOrThrow(`${name}: ${variable}`, text, () => parse(text, path))
      return [[path, value] as const]
    })
    return documentOf(nest(name, entries))
  }
}

function documentOf(document: Record<string, unknown>): {
  kind: 'document'
  document: unknown
  revision: string
} {
  return { kind: 'document', document, revision: hashOf(Object.keys(document)).slice(0, 12) }
}

function camelCase(words: string): string {
  return words.toLowerCase().replace(/(?<=.)_+(.)/g, (_, letter: string) => letter.toUpperCase())
}
