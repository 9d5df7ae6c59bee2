import type { Loaded, Source } from '../source.ts'

export interface MemorySourceOptions {
  /** @default 'memory' */
  name?: string
  /** @default false */
  optional?: boolean
}

/** A layer that the program itself writes: defaults, flags, tests. */
export interface MemorySource extends Source {
  /** Replaces the document and wakes every config that uses it. */
  set(document: unknown): void
  /** The layer is absent from now on. */
  remove(): void
  /** The layer is there, with nothing in it. */
  empty(): void
  /** Every reading fails with this, until the next `set`, `remove` or `empty`. */
  fail(cause: unknown): void
}

/** A layer in memory, and the fake of every other source. The document is copied when it is read. */
export function memorySource(document: unknown, options: MemorySourceOptions = {}): MemorySource {
  const wakes = new Set<() => void>()
  let version = 1
  let read = async (): Promise<Loaded> => ({ kind: 'document', document, revision: '1' })
  return {
    name: options.name ?? 'memory',
    optional: options.optional ?? false,
    start({ wake }) {
      const own = (): void => wake()
      wakes.add(own)
      return {
        load: () => read(),
        close: async () => {
          wakes.delete(own)
        },
      }
    },
    set: (next) => change((revision) => ({ kind: 'document', document: next, revision })),
    remove: () => change(() => ({ kind: 'absent' })),
    empty: () => change((revision) => ({ kind: 'empty', revision })),
    fail: (cause) =>
      change(() => {
        throw cause
      }),
  }

  function change(loaded: (revision: string) => Loaded): void {
    version += 1
    const revision = String(version)
    read = async () => loaded(revision)
    for (const wake of wakes) wake()
  }
}
