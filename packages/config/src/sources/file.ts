import { basename, dirname } from 'node:path'
import { checkNumber, checkString } from '@holdfast/core'
import type { Parser, Source } from '../source.ts'
import { checkParser, parseText } from './parse.ts'
import { readSteadily } from './read-file.ts'
import { fileFingerprint, watchFolder } from './watch-folder.ts'

export interface FileSourceOptions {
  /** @default parseJson */
  parse?: Parser
  /** Whether the file may be missing, or unreadable for a while. @default false */
  optional?: boolean
  /** How often to look beside the watch, in milliseconds, > 0. @default 2_000 */
  pollMs?: number
  /** A longer file is refused, in bytes, ≥ 1. @default 4 MiB */
  maxBytes?: number
  /** @default 'file PATH' */
  name?: string
}

/**
 * A file as a layer. Follows symlinks, so it may be a key of a mounted ConfigMap.
 *
 * A file that is being written is read again until it holds still; one that is empty is refused,
 * as a write in progress, rather than taken for a config without values.
 */
export function fileSource(path: string, options: FileSourceOptions = {}): Source {
  const parse = checkParser(checkString('path', path), options.parse)
  const pollMs = checkNumber('pollMs', options.pollMs ?? 2_000, { min: 1, max: Number.POSITIVE_INFINITY })
  const maxBytes = checkNumber('maxBytes', options.maxBytes ?? 4 * 2 ** 20, { min: 1 })
  const name = checkString('name', options.name ?? `file ${path}`)
  return {
    name,
    optional: options.optional ?? false,
    start(context) {
      const concerns = (changed: string): boolean => changed === basename(path) || changed === '..data'
      const fingerprint = (): Promise<string> => fileFingerprint(path)
      const watching = watchFolder({ folder: dirname(path), concerns, fingerprint, pollMs, context })
      return {
        async load() {
          await watching.ready
          const text = await readSteadily(path, maxBytes)
          return text === undefined ? { kind: 'absent' } : parseText(name, text, parse)
        },
        close: watching.close,
      }
    },
  }
}
