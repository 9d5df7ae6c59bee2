import { resolve } from 'node:path'
import { checkString } from '@holdfast/core'
import { type HeldFile, openCheckpoint } from './leveldb/checkpoint.ts'
import { plainAttributes, type Source, type SourceEntry, type SourceFile } from './source.ts'

/**
 * A consistent copy of a LevelDB while it is open and written to, by this process or another.
 *
 * Holds every write that was acknowledged before the backup began, and of those
 * that came meanwhile a prefix in the order of their writing. The database is not
 * stopped, locked, or written to; no hard link of its files is made. What else lies
 * in the folder is not copied. Needs an open file for each of its tables (about one
 * for 2 MiB).
 */
export function levelDb(path: string): Source {
  const folder = resolve(checkString('path', path))
  return {
    kind: 'leveldb',
    description: `the LevelDB ${folder}`,
    async open({ clock, signal }) {
      const { held, written, close } = await openCheckpoint(folder, { clock, signal })
      const timeMs = clock.wall()
      const entries = [
        ...written.map(({ name, bytes }) => entry(name, bytes.length, timeMs, bytesReader(bytes))),
        ...held.map((file) => entry(file.name, file.size, timeMs, heldReader(file))),
      ]
      return {
        root: { attributes: plainAttributes(timeMs, 0o700), entries: async () => entries.sort(byName) },
        totalBytes: [...held].reduce((sum, { size }) => sum + size, 0),
        indivisible: true,
        close,
      }
    },
  }
}

type Read = (into: Uint8Array, position: number) => Promise<number>

function entry(name: string, size: number, timeMs: number, read: Read): SourceEntry {
  const attributes = { ...plainAttributes(timeMs, 0o600), size }
  const open = async (): Promise<SourceFile> => {
    let position = 0
    return {
      attributes,
      read: async (into) => {
        const count = await read(into, position)
        position += count
        return count
      },
      changed: async () => false,
      close: async () => {},
    }
  }
  return { type: 'file', name, attributes, open }
}

function bytesReader(bytes: Uint8Array): Read {
  return async (into, position) => {
    const part = bytes.subarray(position, position + into.length)
    into.set(part)
    return part.length
  }
}

function heldReader({ handle, size }: HeldFile): Read {
  return async (into, position) => {
    const wanted = Math.min(into.length, size - position)
    return wanted > 0 ? (await handle.read(into, 0, wanted, position)).bytesRead : 0
  }
}

function byName(a: SourceEntry, b: SourceEntry): number {
  return a.name < b.name ? -1 : 1
}
