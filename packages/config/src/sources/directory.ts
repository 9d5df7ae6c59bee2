import { checkNumber, checkString } from '@holdfast/core'
import { hashOf } from '../document.ts'
import { nest } from '../nest.ts'
import type { Loaded, Parser, Source } from '../source.ts'
import { checkParser, parseOrThrow, parseText } from './parse.ts'
import { folderFingerprint, readFolder } from './read-folder.ts'
import { watchFolder } from './watch-folder.ts'

export interface DirectorySourceOptions {
  /** The one file that is read, as a whole document. @default every file is a key, and its text the value */
  document?: string
  /** For the document. Without one: for each value. @default parseJson; for values, their text without the last line's end */
  parse?: Parser
  /** Whether the folder, or the document in it, may be missing or unreadable for a while. @default false */
  optional?: boolean
  /** How often to look beside the watch, in milliseconds, > 0. @default 2_000 */
  pollMs?: number
  /** More than this is refused, all files together, in bytes, ≥ 1. @default 4 MiB */
  maxBytes?: number
  /** @default 'directory PATH' */
  name?: string
}

/**
 * A folder as a layer, above all a mounted ConfigMap or Secret: all its files as of one version.
 *
 * Without `document`, a file `upstream.url` is the key `upstream.url`: dots and subfolders nest.
 * Where the folder has the `..data` of Kubernetes' atomic writer, the files are read inside the
 * version that it points to, never through it. Hidden files are no keys. A folder without keys is
 * empty, not absent.
 */
export function directorySource(folder: string, options: DirectorySourceOptions = {}): Source {
  const { document } = options
  checkString('folder', folder)
  if (document !== undefined) checkString('document', document)
  const parse = document === undefined ? (options.parse ?? textOf) : checkParser(document, options.parse)
  const pollMs = checkNumber('pollMs', options.pollMs ?? 2_000, { min: 1, max: Number.POSITIVE_INFINITY })
  const maxBytes = checkNumber('maxBytes', options.maxBytes ?? 4 * 2 ** 20, { min: 1 })
  const name = checkString('name', options.name ?? `directory ${folder}`)
  return {
    name,
    optional: options.optional ?? false,
    start(context) {
      const concerns = (changed: string): boolean => changed === '..data' || !changed.startsWith('.')
      const fingerprint = (): Promise<string> => folderFingerprint(folder)
      const watching = watchFolder({ folder, concerns, fingerprint, pollMs, context })
      return {
        async load() {
          await watching.ready
          return read()
        },
        close: watching.close,
      }
    },
  }

  async function read(): Promise<Loaded> {
    const found = await readFolder(folder, { only: document, maxBytes })
    if (!found) return { kind: 'absent' }
    const version = found.version ?? hashOf([...found.files].map(([path, text]) => [path, text])).slice(0, 12)
    if (document !== undefined) {
      const text = found.files.get(document)
      return text === undefined ? { kind: 'absent' } : parseText(name, text, parse, version)
    }
    if (found.files.size === 0) return { kind: 'empty', revision: version }
    const entries = [...found.files].map(([path, text]) => {
      const value = parseOrThrow(`${name}: ${path}`, text, parse)
      return [path.split(/[/.]/).filter((key) => key !== ''), value] as const
    })
    return { kind: 'document', document: nest(name, entries), revision: version }
  }
}

function textOf(text: string): string {
  return text.replace(/\r?\n$/, '')
}
