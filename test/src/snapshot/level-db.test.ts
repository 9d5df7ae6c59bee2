import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { folderStore, levelDb, openRepository } from '@holdfast/snapshot'
import { Level } from 'level'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { guard } from '../support/guard.ts'
import { root } from '../support/workspace.ts'

const checkpoints = process.env['HOLDFAST_DEEP'] === '1' ? 1_000 : 8
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-live-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

// As long as a database is open its MANIFEST grows: here to a megabyte, and the next life begins a new one.
const lives = 4

test(`${checkpoints} checkpoints of a LevelDB that another process writes to until it is killed, and that one unharmed`, {
  timeout: 3_600_000,
}, async () => {
  const path = join(folder, 'live')
  await using repository = await openRepository(folderStore(join(folder, 'repository')))
  for (let life = 0; life < lives; life += 1) {
    const writer = startWriter(path)
    try {
      await writer.acknowledgedBeyond(0)
      for (let trial = 0; trial < checkpoints / lives; trial += 1) {
        const acknowledged = writer.acknowledged()
        const snapshot = await repository.backup(levelDb(path), { name: 'n' })
        const copy = join(folder, 'copy')
        await repository.restore(snapshot, copy, { fsync: false })
        expect(await readCopy(copy)).toBeGreaterThanOrEqual(acknowledged)
        await rm(copy, { recursive: true })
        if (trial % 25 === 0) await repository.forget({ keep: { last: 2 } })
        await writer.acknowledgedBeyond(acknowledged)
      }
      for (const name of await readdir(path))
        expect((await stat(join(path, name)).catch(() => ({ nlink: 1 }))).nlink).toBe(1)
    } finally {
      await writer.kill()
    }
    expect(await readCopy(path)).toBeGreaterThanOrEqual(writer.acknowledged())
  }
})

/** Opens it as any program would, reads all of it, and returns how many writes it holds: a prefix of them, or this fails. */
async function readCopy(path: string): Promise<number> {
  const db = new Level<string, string>(path, { createIfMissing: false })
  try {
    await db.open()
    const all = new Map(await db.iterator().all())
    const n = Number(all.get('n'))
    expect(Number(all.get('twice'))).toBe(2 * n)
    for (let back = n; back > Math.max(0, n - 2_000); back -= 1)
      expect(Number.parseInt(all.get(`key-${back % 2_000}`) ?? '', 10)).toBe(back)
    return n
  } finally {
    await db.close()
  }
}

function startWriter(path: string) {
  const program = join(root, 'test/dist/children/level-writer.js')
  const child: ChildProcess = spawn(process.execPath, [program, path], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  guard(child)
  let acknowledged = 0
  const lines = createInterface({ input: child.stdout! }).on('line', (line) => {
    acknowledged = Number(line)
  })
  return {
    acknowledged: () => acknowledged,
    acknowledgedBeyond: async (n: number) => {
      while (acknowledged <= n) await once(lines, 'line')
    },
    kill: async () => {
      const exited = once(child, 'exit')
      child.kill('SIGKILL')
      await exited
    },
  }
}
