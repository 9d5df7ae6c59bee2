import { spawn, spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { removeLeftovers, siblingOf } from './leftovers.ts'

let folder: string
let goal: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-leftovers-'))
  goal = join(folder, 'target')
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const onLinux = test.runIf(existsSync('/proc/self/stat'))

/** Makes what a restore leaves, with a file in it, under a name of which these parts are others. */
async function leave(change: Partial<Record<'boot' | 'space' | 'pid' | 'started', string>>): Promise<string> {
  const [boot, space, pid, started, id] = (await siblingOf(goal)).slice(`${goal}.restore-`.length).split('-')
  const parts = Object.values({ boot, space, pid, started, ...change })
  const path = `${goal}.restore-${parts.join('-')}-${id}`
  await mkdir(path)
  await writeFile(join(path, 'half'), 'half')
  return basename(path)
}

async function startOf(pid: number): Promise<string> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8')
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]!
}

onLinux('what a dead process left is removed', async () => {
  await leave({ pid: String(spawnSync('true').pid) })
  await leave({ started: '1' }) // Its pid is another process's now: ours.
  await leave({ boot: '00000000' })
  await removeLeftovers(goal)
  expect(await readdir(folder)).toEqual([])
})

onLinux('what a living one works in stays, and what may be one’s', async () => {
  const child = spawn('sleep', ['60'])
  try {
    const pid = child.pid!
    const kept = [
      await leave({}),
      await leave({ pid: String(pid), started: await startOf(pid) }),
      await leave({ space: '00000000', pid: String(spawnSync('true').pid) }),
    ]
    await removeLeftovers(goal)
    expect((await readdir(folder)).sort()).toEqual([...kept].sort())
    child.kill('SIGKILL')
    await new Promise((resolve) => child.once('close', resolve))
    await removeLeftovers(goal)
    expect((await readdir(folder)).sort()).toEqual([kept[0], kept[2]].sort())
  } finally {
    child.kill('SIGKILL')
  }
})

onLinux('what only looks like one stays', async () => {
  const dead = await leave({ boot: '00000000' })
  const others = ['target.restore-notes', `target.restore-${'0'.repeat(16)}`, `other${dead}`, `${dead}-2`]
  for (const name of others) await mkdir(join(folder, name))
  await removeLeftovers(goal)
  expect((await readdir(folder)).sort()).toEqual(others.sort())
})

test('there may be no folder to look in', async () => {
  await removeLeftovers(join(folder, 'none/target'))
  expect(await readdir(folder)).toEqual([])
})
