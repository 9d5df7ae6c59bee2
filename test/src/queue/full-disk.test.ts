import { spawnSync } from 'node:child_process'
import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { bytesCodec, openQueue, type Queue } from '@holdfast/queue'
import { afterAll, beforeAll, expect, test } from 'vitest'

// A real full disk: a small tmpfs, which takes root to mount.
const disk = mkdtempSync(join(tmpdir(), 'holdfast-full-'))
const mounted = spawnSync('mount', ['-t', 'tmpfs', '-o', 'size=24m', 'holdfast', disk]).status === 0

beforeAll(() => {
  if (!mounted) console.warn('SKIPPED: the tests of a full disk need to mount a tmpfs, as root')
  return () => undefined
})

afterAll(() => {
  if (mounted) spawnSync('umount', [disk])
  rmSync(disk, { recursive: true, force: true })
})

test.runIf(mounted)(
  'a full disk loses nothing accepted, drains, and takes more once there is room',
  async () => {
    const folder = join(disk, 'queue')
    const open = (): Promise<Queue<Uint8Array>> =>
      openQueue(folder, { codec: bytesCodec, visibilityTimeoutMs: 60_000 })
    let queue = await open()
    const failures: unknown[] = []
    queue.on('writeFailed', (error) => failures.push(error))
    const accepted = new Set<string>()
    const codes = new Set<string>()
    for (let n = 0; n < 400 && codes.size === 0; n++) {
      const results = await Promise.allSettled(Array.from({ length: 8 }, () => queue.enqueue(noise(16_384))))
      for (const result of results)
        if (result.status === 'fulfilled') accepted.add(result.value.id)
        else codes.add((result.reason as { code: string }).code)
    }
    expect([...codes]).toEqual(['QUEUE_DISK_FULL'])
    expect(failures.length).toBeGreaterThan(0)
    expect(accepted.size).toBeGreaterThan(100)
    await expect(fill(queue)).rejects.toMatchObject({ code: 'QUEUE_DISK_FULL' })

    const first = new Set<string>()
    for (let take = 0; take < 10; take++)
      for (const job of await queue.take({ max: 5 })) if (await job.ack()) first.add(job.id)
    expect(first.size).toBe(50)
    await queue.close()

    queue = await open()
    const rest = new Set<string>()
    for (let jobs = await queue.take({ max: 16 }); jobs.length > 0; jobs = await queue.take({ max: 16 })) {
      for (const job of jobs) rest.add(job.id)
      await Promise.all(jobs.map((job) => job.ack()))
    }
    expect([...first].filter((id) => rest.has(id))).toEqual([])
    expect([...accepted].filter((id) => !first.has(id) && !rest.has(id))).toEqual([])
    await enqueueOnceThereIsRoom(queue)
    await queue.close()
  },
  60_000,
)

test.runIf(mounted)('a disk that is full at opening is refused with a code', async () => {
  const filler = join(disk, 'filler')
  fillUp(filler)
  await expect(openQueue(join(disk, 'other'))).rejects.toMatchObject({ code: 'QUEUE_DISK_FULL' })
  rmSync(filler)
  await (await openQueue(join(disk, 'other'), { ballastBytes: 0 })).close()
})

/** LevelDB gives back what was drained in a thread of its own, and the ballast is tried once a second. */
async function enqueueOnceThereIsRoom(queue: Queue<Uint8Array>): Promise<void> {
  for (let tries = 1; ; tries++) {
    const error = await queue.enqueue(noise(16_384)).then(
      () => undefined,
      (cause: unknown) => cause as { code: string },
    )
    if (!error) return
    expect(error.code).toBe('QUEUE_DISK_FULL')
    expect(tries).toBeLessThan(100)
    await sleep(100)
  }
}

async function fill(queue: Queue<Uint8Array>): Promise<void> {
  for (let n = 0; n < 2_000; n++) await queue.enqueue(noise(16_384))
}

function fillUp(path: string): void {
  const file = openSync(path, 'w')
  try {
    for (let n = 0; n < 100_000; n++) writeSync(file, Buffer.alloc(4_096))
  } catch (error) {
    expect((error as { code: string }).code).toBe('ENOSPC')
  } finally {
    closeSync(file)
  }
}

/** What no file system and no LevelDB compresses. */
function noise(size: number): Uint8Array {
  const bytes = new Uint8Array(size)
  for (let at = 0; at < size; at++) bytes[at] = Math.random() * 256
  return bytes
}
