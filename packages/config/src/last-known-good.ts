import { join } from 'node:path'
import { configError } from './errors.ts'
import type { Layer } from './layers.ts'
import type { Settings } from './options.ts'
import { decodeRecord, encodeRecord, type GoodRecord, type ProbationMark } from './record.ts'

/** What was found on disk at boot. */
export interface Remembered {
  /** Usable as far as their bytes go, the newest first. */
  readonly records: readonly GoodRecord[]
  readonly mark: ProbationMark | undefined
  /** Why something that is there was not used. */
  readonly problems: readonly string[]
}

/**
 * Keeps the last-known-good, and the mark of a probation, across deaths of the process.
 *
 * Two generations in two files: the older one is replaced by a temporary file, fsync, rename, and
 * fsync of the folder, so a death at any step leaves at least the newer one whole. Every call
 * rejects with `CONFIG_SAVE_FAILED` where the disk fails; without a folder nothing is kept.
 */
export interface LastKnownGood {
  read(): Promise<Remembered>
  save(hash: string, layers: readonly Layer[]): Promise<void>
  /** The mark as this process wrote or found it. */
  readonly mark: ProbationMark | undefined
  setMark(hash: string, state: ProbationMark['state']): Promise<void>
  clearMark(): Promise<void>
}

export function createLastKnownGood({ lastKnownGood, clock }: Settings): LastKnownGood {
  if (!lastKnownGood) return forgetful
  const { folder, schemaId, fileSystem } = lastKnownGood
  const markPath = join(folder, 'probation')
  let generation = 0
  let mark: ProbationMark | undefined
  return {
    read: () => guarded('read', read),
    save: (hash, layers) => guarded('write', () => save(hash, layers)),
    get mark() {
      return mark
    },
    setMark: (hash, state) => guarded('write', () => setMark(hash, state)),
    clearMark: () => guarded('write', clearMark),
  }

  async function read(): Promise<Remembered> {
    const problems: string[] = []
    await fileSystem.makeFolder(folder)
    const found = (await Promise.all([readRecord(0, problems), readRecord(1, problems)])).filter(isPresent)
    generation = Math.max(0, ...found.map((record) => record.generation))
    const records = found.filter((record) => record.schemaId === schemaId)
    for (const other of found.filter((record) => record.schemaId !== schemaId))
      problems.push(`generation ${other.generation} was written by the schema ${other.schemaId}`)
    mark = await readMark(problems)
    return { records: records.sort((a, b) => b.generation - a.generation), mark, problems }
  }

  async function readRecord(slot: number, problems: string[]): Promise<GoodRecord | undefined> {
    const path = slotPath(slot)
    const text = await fileSystem.read(path)
    if (text === undefined) return undefined
    const record = decodeRecord(text, 'last-known-good')
    if (typeof record !== 'string') return record
    problems.push(`${path}: ${record}`)
    return undefined
  }

  async function readMark(problems: string[]): Promise<ProbationMark | undefined> {
    const text = await fileSystem.read(markPath)
    const found = text === undefined ? undefined : decodeRecord(text, 'probation')
    if (typeof found !== 'string') return found
    problems.push(`${markPath}: ${found}`)
    return undefined
  }

  async function save(hash: string, layers: readonly Layer[]): Promise<void> {
    const next = generation + 1
    const kept = layers.map(({ staged: _, ...layer }) => layer)
    const record = { format: 1, kind: 'last-known-good', schemaId, generation: next } as const
    const text = encodeRecord({ ...record, savedAt: clock.wall(), hash, layers: kept })
    await replace(slotPath(next % 2), text)
    generation = next
  }

  async function setMark(hash: string, state: ProbationMark['state']): Promise<void> {
    const next: ProbationMark = { format: 1, kind: 'probation', hash, state }
    await replace(markPath, encodeRecord(next))
    mark = next
  }

  async function clearMark(): Promise<void> {
    if (!mark) return
    await fileSystem.remove(markPath)
    await fileSystem.syncFolder(folder)
    mark = undefined
  }

  async function replace(path: string, text: string): Promise<void> {
    const temporary = `${path}.tmp`
    await fileSystem.write(temporary, text)
    await fileSystem.rename(temporary, path)
    await fileSystem.syncFolder(folder)
  }

  async function guarded<T>(action: 'read' | 'write', task: () => Promise<T>): Promise<T> {
    try {
      return await task()
    } catch (cause) {
      const problem = cause instanceof Error ? cause.message : String(cause)
      throw configError(
        'CONFIG_SAVE_FAILED',
        `could not ${action} the last-known-good in ${folder}: ${problem}`,
        { cause, fields: { folder } },
      )
    }
  }

  function slotPath(slot: number): string {
    return join(folder, `last-known-good.${slot}`)
  }
}

/** Used where no folder was given: a rollback then returns to what this process remembers. */
const forgetful: LastKnownGood = {
  read: async () => ({ records: [], mark: undefined, problems: [] }),
  save: async () => undefined,
  mark: undefined,
  setMark: async () => undefined,
  clearMark: async () => undefined,
}

function isPresent<T>(value: T | undefined): value is T {
  return value !== undefined
}
