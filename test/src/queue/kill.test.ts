import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createSeededRandom } from '@holdfast/core/testing'
import { openQueue } from '@holdfast/queue'
import { expect, onTestFinished, test } from 'vitest'
import { root } from '../support/workspace.ts'

const worker = join(root, 'test/dist/children/queue-worker.js')
const kills = process.env['HOLDFAST_DEEP'] ? 60 : 3

test.each(['fsync', 'os'] as const)(
  'kill -9 at random moments loses nothing accepted and repeats nothing acknowledged (%s)',
  async (durability) => {
    const folder = newFolder()
    const log = join(folder, 'promises')
    const seed = Math.floor(Math.random() * 2 ** 31)
    const random = createSeededRandom(seed)
    for (let kill = 0; kill < kills; kill++) {
      const args = [join(folder, 'queue'), log, durability, String(kill * 1_000_000)]
      const child = spawn(process.execPath, [worker, ...args], { stdio: ['ignore', 'ignore', 'inherit'] })
      await firstPromise(child, log, kill * 1_000_000)
      await sleep(random() * 150)
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    const { accepted, acking, acked } = promises(log)
    const queue = await openQueue<number>(join(folder, 'queue'), { ballastBytes: 0 })
    onTestFinished(() => queue.close())
    expect(queue.recovery, `seed ${seed}`).toEqual({ unclean: true, repaired: false, quarantined: [] })
    const verification = await queue.verify()
    expect(verification.losses).toEqual([])
    const left = new Map<string, number>()
    for (const lane of ['ready', 'delayed', 'dead'] as const)
      for (const { id, value } of await queue.peek({ lane, limit: 1e6 })) left.set(id, value)
    expect(accepted.size, `seed ${seed}`).toBeGreaterThan(kills)
    for (const [id, value] of accepted) {
      const where = `${value} ${id}, seed ${seed}`
      if (acked.has(id)) expect(left.has(id), where).toBe(false)
      else if (!acking.has(id)) expect(left.get(id), where).toBe(value)
    }
    const { ready, delayed } = queue.size
    const dead = queue.size.dead
    expect(ready + delayed + dead).toBe(verification.messages)
  },
  120_000,
)

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-kill-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Waits until this run has promised something. */
async function firstPromise(child: ChildProcess, log: string, start: number): Promise<void> {
  for (let wait = 0; wait < 4_000; wait++) {
    if (existsSync(log) && [...promises(log).accepted.values()].some((value) => value >= start)) return
    if (child.exitCode !== null) throw new Error(`the worker ended by itself with ${child.exitCode}`)
    await sleep(5)
  }
  throw new Error('the worker promised nothing')
}

interface Promises {
  accepted: Map<string, number>
  /** Acknowledged, perhaps without living to write that down. */
  acking: Set<string>
  acked: Set<string>
}

function promises(log: string): Promises {
  const found: Promises = { accepted: new Map(), acking: new Set(), acked: new Set() }
  for (const line of readFileSync(log, 'utf8').split('\n').slice(0, -1)) {
    const [what, value, id] = line.split(' ') as ['accepted' | 'acking' | 'acked', string, string]
    if (what === 'accepted') found.accepted.set(id, Number(value))
    else found[what].add(id)
  }
  return found
}
