import { type Clock, systemClock } from '@holdfast/core'
import { type BlobStore, checkKey, sliceOf } from './store.ts'

/** A blob store in this process's memory, for tests. Keeps its objects after `close`. */
export function memoryStore({ clock = systemClock }: { clock?: Clock } = {}): BlobStore {
  const objects = new Map<string, { bytes: Uint8Array; modifiedMs: number }>()
  return {
    description: 'memory',
    supports: { delete: true },
    async get(key, options = {}) {
      options.signal?.throwIfAborted()
      const found = objects.get(checkKey(key))
      return found && Uint8Array.from(sliceOf(found.bytes, options))
    },
    async put(key, parts, { ifAbsent = false, signal } = {}) {
      signal?.throwIfAborted()
      if (ifAbsent && objects.has(checkKey(key))) return false
      objects.set(checkKey(key), { bytes: new Uint8Array(Buffer.concat(parts)), modifiedMs: clock.wall() })
      return true
    },
    async stat(key, { signal } = {}) {
      signal?.throwIfAborted()
      const found = objects.get(checkKey(key))
      return found && { size: found.bytes.length, modifiedMs: found.modifiedMs }
    },
    async *list(prefix, { signal } = {}) {
      signal?.throwIfAborted()
      for (const [key, { bytes, modifiedMs }] of [...objects]) {
        signal?.throwIfAborted()
        if (key.startsWith(prefix)) yield { key, size: bytes.length, modifiedMs }
      }
    },
    async delete(key, { signal } = {}) {
      signal?.throwIfAborted()
      objects.delete(checkKey(key))
    },
    now: async () => clock.wall(),
  }
}
