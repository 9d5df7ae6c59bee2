import type { FileSystem } from '../file-system.ts'

export interface MemoryDisk extends FileSystem {
  /** The calls made so far, in words. */
  readonly calls: string[]
  /** The next calls, from this one on (0 is the next), reject with this. */
  failFrom(call: number, error: Error): void
  heal(): void
  /** Every disk that could be found after the power fails right now: what was not synced is there, or not, or torn. */
  afterPowerLoss(): readonly MemoryDisk[]
  /** Sets a file's bytes, behind everyone's back. */
  put(path: string, text: string): void
  readonly files: ReadonlyMap<string, string>
}

type Files = Map<string, string>

/** A disk in memory that knows what fsync has promised so far; `onStep` is called before and after all that a call does. */
export function createMemoryDisk(
  start: ReadonlyMap<string, string> = new Map(),
  onStep: (disk: MemoryDisk) => void = () => undefined,
): MemoryDisk {
  const calls: string[] = []
  const files: Files = new Map(start)
  let durable: Files = new Map(start)
  let torn: [path: string, text: string] | undefined
  let failing: { from: number; error: Error } | undefined

  const disk: MemoryDisk = {
    calls,
    files,
    makeFolder: (path) => step(`makeFolder ${path}`, () => undefined),
    read: (path) => step(`read ${path}`, () => files.get(path)),
    async write(path, text) {
      torn = [path, text.slice(0, text.length / 2)]
      await step(`write ${path}`, () => {
        files.set(path, text)
        torn = undefined
      })
    },
    rename: (from, to) =>
      step(`rename ${from}`, () => {
        files.set(to, files.get(from)!)
        files.delete(from)
      }),
    remove: (path) =>
      step(`remove ${path}`, () => {
        files.delete(path)
      }),
    syncFolder: (path) =>
      step(`syncFolder ${path}`, () => {
        durable = new Map(files)
      }),
    failFrom(call, error) {
      failing = { from: calls.length + call, error }
    },
    heal() {
      failing = undefined
    },
    afterPowerLoss() {
      const survivors = [durable, files]
      const both = survivors.flatMap((found) => (torn ? [found, new Map([...found, torn])] : [found]))
      return both.map((found) => createMemoryDisk(found))
    },
    put(path, text) {
      files.set(path, text)
      durable.set(path, text)
    },
  }

  return disk

  async function step<T>(call: string, act: () => T): Promise<T> {
    calls.push(call)
    await Promise.resolve()
    if (failing && calls.length > failing.from) throw failing.error
    onStep(disk)
    const result = act()
    onStep(disk)
    return result
  }
}
