import { execFileSync, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createSeededRandom } from '@holdfast/core/testing'
import { openQueue } from '@holdfast/queue'
import { afterAll, expect, onTestFinished, test } from 'vitest'
import { expectKept, promisesIn, startWorker } from './promises.ts'

const cuts = process.env['HOLDFAST_DEEP'] ? 30 : 2
const disk = mountDisk()
afterAll(() => disk?.remove())

test.runIf(disk)(
  'a file system that goes down with all that was not synced loses nothing accepted with fsync',
  async () => {
    const { folder, cutAndMount } = disk!
    const log = join(folder, '../promises')
    const seed = Math.floor(Math.random() * 2 ** 31)
    const random = createSeededRandom(seed)
    for (let round = 0; round < cuts; round++) {
      const options = { folder: join(folder, 'queue'), log, durability: 'fsync' as const }
      const child = await startWorker({ ...options, start: round * 1_000_000 })
      await sleep(random() * 300)
      child.kill('SIGKILL')
      await once(child, 'exit')
      cutAndMount()
    }
    const queue = await openQueue<number>(join(folder, 'queue'), { ballastBytes: 0 })
    try {
      expect(queue.recovery, `seed ${seed}`).toMatchObject({ unclean: true, quarantined: [] })
      const promises = promisesIn(log)
      expect(promises.accepted.size, `seed ${seed}`).toBeGreaterThan(cuts)
      await expectKept(queue, promises, `seed ${seed}`)
    } finally {
      await queue.close()
    }
  },
  120_000,
)

test('files cut to what they were when an enqueue resolved hold all that was accepted', async () => {
  const base = mkdtempSync(join(tmpdir(), 'holdfast-cut-'))
  onTestFinished(() => rmSync(base, { recursive: true, force: true }))
  const folder = join(base, 'queue')
  const queue = await openQueue<number>(folder, { ballastBytes: 0 })
  await Promise.all(Array.from({ length: 300 }, (_, n) => queue.enqueue(n)))
  const [job] = await queue.take()
  await job!.ack()
  const sizes = readdirSync(folder)
    .filter((name) => !name.startsWith('holdfast.') && name !== 'LOCK')
    .map((name) => [name, statSync(join(folder, name)).size] as const)
  await queue.enqueueMany(Array.from({ length: 300 }, (_, n) => 300 + n))
  for (const [name, size] of sizes) {
    cpSync(join(folder, name), join(base, 'cut', name))
    truncateSync(join(base, 'cut', name), size)
  }
  await queue.close()
  const cut = await openQueue<number>(join(base, 'cut'), { ballastBytes: 0 })
  onTestFinished(() => cut.close())
  expect(cut.recovery).toEqual({ unclean: true, repaired: false, quarantined: [] })
  const values = (await cut.peek({ limit: 1_000 })).map(({ value }) => value)
  expect(values).toEqual(Array.from({ length: 299 }, (_, n) => n + 1))
  expect((await cut.verify()).losses).toEqual([])
})

interface Disk {
  /** In a file system of its own. */
  readonly folder: string
  /** Takes the file system down without what was not synced, and mounts it again. */
  cutAndMount(): void
  remove(): void
}

/** A small ext4 in a file, which takes root; undefined, loudly, where it cannot be mounted. */
function mountDisk(): Disk | undefined {
  const base = mkdtempSync(join(tmpdir(), 'holdfast-power-'))
  const [image, folder] = [join(base, 'image'), join(base, 'disk')]
  mkdirSync(folder)
  writeFileSync(image, '')
  truncateSync(image, 96 * 2 ** 20)
  const mount = (): boolean => spawnSync('mount', ['-o', 'loop', image, folder]).status === 0
  const unmount = (): boolean => spawnSync('umount', [folder]).status === 0
  const remove = (): void => {
    unmount()
    rmSync(base, { recursive: true, force: true })
  }
  const isThere = spawnSync('mkfs.ext4', ['-q', image]).status === 0 && mount()
  if (isThere) return { folder, cutAndMount, remove }
  remove()
  console.warn('SKIPPED: the test of a power cut needs to mount an ext4 in a file, as root')
  return undefined

  function cutAndMount(): void {
    // EXT4_IOC_SHUTDOWN, without flushing the journal.
    const program =
      'sysopen(my $d, $ARGV[0], 0) or die $!; my $f = pack("L", 2); ioctl($d, 0x8004587d, $f) or die $!'
    execFileSync('perl', ['-e', program, folder])
    if (!unmount() || !mount()) throw new Error(`${folder} could not be mounted again`)
  }
}
