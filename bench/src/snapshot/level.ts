import { cp, mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { systemClock } from '@holdfast/core'
import { levelDb } from '@holdfast/snapshot'
import { Level } from 'level'
import type { Row } from '../harness.ts'
import { costOf } from '../support/cost.ts'

/** Fixing a live database's state so that it can be read at leisure, beside copying what is there, which is of no moment. */
export const checkpointRow: Row = {
  id: 'leveldb-checkpoint',
  title: 'Fix the state of a live LevelDB of 64 MB, beside a naive copy of its folder',
  unit: 's',
  target: { of: 'ratio', is: '<=', value: 0.2 },
  quick: true,
  ours: ({ folder }) =>
    withLevel(folder, async (path) => {
      const source = levelDb(path)
      let close: (() => Promise<void>) | undefined
      const { wall } = await costOf(async () => {
        close = (await source.open({ clock: systemClock })).close
      })
      await close?.()
      return wall
    }),
  peer: {
    name: 'naive copy',
    measure: ({ folder }) =>
      withLevel(folder, async (path) => (await costOf(() => copyNaively(path, join(folder, 'naive')))).wall),
  },
}

/** File by file, as found; what a compaction took away meanwhile is left out. */
async function copyNaively(from: string, to: string): Promise<void> {
  await mkdir(to)
  for (const name of await readdir(from))
    await cp(join(from, name), join(to, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    })
}

/** Measures while the database is written to. */
async function withLevel(folder: string, measure: (path: string) => Promise<number>): Promise<number> {
  const path = join(folder, 'level')
  const db = new Level<string, string>(path, { compression: false })
  await db.open()
  let ended = false
  const put = async (batch: number): Promise<void> =>
    db.batch(
      Array.from({ length: 100 }, (_, at) => ({
        type: 'put',
        key: `${batch}:${at}`,
        value: 'x'.repeat(1_000),
      })),
    )
  try {
    for (let batch = 0; batch < 640; batch += 1) await put(batch)
    const writing = (async () => {
      for (let batch = 640; !ended; batch += 1) await put(batch)
    })()
    try {
      return await measure(path)
    } finally {
      ended = true
      await writing
    }
  } finally {
    await db.close()
  }
}
