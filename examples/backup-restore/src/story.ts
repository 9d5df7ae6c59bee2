import { randomBytes } from 'node:crypto'
import { readdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, systemClock } from '@holdfast/core'
import { type BlobStore, levelDb, openRepository, type Progress, startSchedule } from '@holdfast/snapshot'
import { Level } from 'level'
import { megabytes } from './terminal.ts'

export interface StoryOptions {
  /** Where the agent's state is, and what is restored. */
  folder: string
  store: BlobStore
  say: (line: string) => void
  /** Shows how far something is; a bar that is kept stays when it is full. */
  progress: (what: string, keep?: 'keep') => (progress: Progress) => void
  /** How many "hours", each of a real second, the agent works before the disaster. @default 8 */
  hours?: number
  /** How many records there are before the first hour, about 800 bytes each. @default 0 */
  initialRecords?: number
  clock?: Clock
}

/**
 * A day in the life of an agent's state, an hour a second: a LevelDB that is written to without a
 * pause, a snapshot every hour, six of them kept; then its folder is wrecked, and comes back.
 */
export async function tellStory(options: StoryOptions): Promise<{ lostSinceSnapshot: number; kept: number }> {
  const { store, say, progress, hours = 8, clock = systemClock } = options
  const state = join(options.folder, 'state')
  const name = 'edge-7/state'
  await using repository = await openRepository(store, { graceMs: 3_600_000 })
  const writer = await startWriter(state, options.initialRecords ?? 0, clock)

  const schedule = startSchedule({
    cron: '* * * * * *', // In earnest '0 * * * *'.
    clock,
    run: async (signal) => {
      const acknowledged = writer.count()
      const tags = { acknowledged: String(acknowledged) }
      const taken = await repository.backup(levelDb(state), {
        name,
        tags,
        signal,
        onProgress: progress('backup'),
      })
      const { forgotten } = await repository.forget({ keep: { last: 6 }, signal })
      say(
        `hour ${schedule.next() ? new Date(taken.timeMs).toISOString().slice(11, 19) : ''}  ` +
          `${acknowledged} records, ${megabytes(taken.bytes)}, new ${megabytes(taken.storedBytes)}, forgot ${forgotten.length}`,
      )
    },
  })
  await elapsed(schedule.on, hours)
  await schedule.close()
  const written = await writer.stop()

  say(`disaster: the folder ${state} is wrecked after ${written} records`)
  await wreck(state)
  const broken = await countRecords(state).catch(() => undefined)
  say(broken === written ? 'it opens still?!' : 'the database is lost')

  const snapshots = await repository.list({ name })
  const newest = snapshots.at(-1)
  if (!newest) throw new Error('no snapshot was taken')
  const report = await repository.verify(newest, { level: 'data', onProgress: progress('verify', 'keep') })
  say(`verified: ${report.objects} chunks, ${megabytes(report.bytes)} are what they were`)
  const restored = await repository.restore(newest, state, {
    overwrite: 'replace',
    onProgress: progress('restore', 'keep'),
  })
  const records = await countRecords(state)
  say(`restored: ${megabytes(restored.restoredBytes)} in ${restored.files} files, ${records} records`)
  if (records < Number(newest.tags['acknowledged'])) throw new Error('an acknowledged record is missing')
  return { lostSinceSnapshot: written - records, kept: snapshots.length }
}

async function startWriter(path: string, initialRecords: number, clock: Clock) {
  const db = new Level<string, string>(path)
  await db.open()
  const stop = new AbortController()
  let count = 0
  while (count < initialRecords) await put(() => randomBytes(600).toString('base64'))
  const stopped = write()
  return {
    count: () => count,
    stop: async () => {
      stop.abort()
      await stopped
      await db.close()
      return count
    },
  }

  async function write(): Promise<void> {
    while (!stop.signal.aborted) {
      await put((record) => `${Math.sin(record)} `.repeat(20))
      await clock.sleep(5, stop.signal)
    }
  }

  async function put(textOf: (record: number) => string): Promise<void> {
    const batch = Array.from({ length: 100 }, (_, index) => ({
      type: 'put' as const,
      key: `record:${String(count + index).padStart(9, '0')}`,
      value: textOf(count + index),
    }))
    await db.batch(batch)
    count += batch.length
  }
}

async function countRecords(path: string): Promise<number> {
  const db = new Level<string, string>(path, { createIfMissing: false })
  await db.open()
  try {
    return (await db.keys().all()).length
  } finally {
    await db.close()
  }
}

/** What a failing disk leaves: some files gone, the rest full of rubbish. */
async function wreck(path: string): Promise<void> {
  for (const [index, name] of (await readdir(path)).entries())
    await (index % 2 === 0 ? rm(join(path, name)) : writeFile(join(path, name), 'rubbish'))
}

/** Resolves after so many runs of a schedule. */
function elapsed(on: ReturnType<typeof startSchedule>['on'], runs: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let count = 0
    on('ran', () => {
      count += 1
      if (count === runs) resolve()
    })
    on('failed', reject)
  })
}
