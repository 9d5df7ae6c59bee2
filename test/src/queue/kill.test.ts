import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createSeededRandom } from '@holdfast/core/testing'
import { openQueue } from '@holdfast/queue'
import { expect, onTestFinished, test } from 'vitest'
import { expectKept, promisesIn, startWorker } from './promises.ts'

const kills = process.env['HOLDFAST_DEEP'] ? 60 : 3

test.each(['fsync', 'os'] as const)(
  'kill -9 at random moments loses nothing accepted and repeats nothing acknowledged (%s)',
  async (durability) => {
    const base = mkdtempSync(join(tmpdir(), 'holdfast-kill-'))
    onTestFinished(() => rmSync(base, { recursive: true, force: true }))
    const [folder, log] = [join(base, 'queue'), join(base, 'promises')]
    const seed = Math.floor(Math.random() * 2 ** 31)
    const random = createSeededRandom(seed)
    for (let kill = 0; kill < kills; kill++) {
      const child = await startWorker({ folder, log, durability, start: kill * 1_000_000 })
      await sleep(random() * 150)
      child.kill('SIGKILL')
      await once(child, 'exit')
    }
    const queue = await openQueue<number>(folder, { ballastBytes: 0 })
    onTestFinished(() => queue.close())
    expect(queue.recovery, `seed ${seed}`).toEqual({ unclean: true, repaired: false, quarantined: [] })
    const promises = promisesIn(log)
    expect(promises.accepted.size, `seed ${seed}`).toBeGreaterThan(kills)
    await expectKept(queue, promises, `seed ${seed}`)
  },
  120_000,
)
