import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFakeClock, createSeededRandom, type FakeClock } from '@holdfast/core/testing'
import { expect, onTestFinished, test } from 'vitest'
import { openQueue } from './open.ts'
import { createMemoryDisk, type MemoryDisk, openMemoryQueue } from './testing/index.ts'
import type { EnqueueOptions, Job, Queue, QueueOptions } from './types.ts'

// Random operations, crashes and reopenings against the simplest model there is:
// what was accepted, and what was finished. What a crash interrupts may be either.

const deep = process.env['HOLDFAST_DEEP'] !== undefined
const steps = 100
/** `HOLDFAST_SEED=n` does again what a run with that seed did. */
const firstSeed = Number(process.env['HOLDFAST_SEED'] ?? Math.floor(Math.random() * 2 ** 31))

/** Where the queue lives: what a crash leaves of it is another. */
interface Disk {
  open(options: QueueOptions<number>): Promise<Queue<number>>
  copy(): Promise<Disk>
}

test.each(seeds(deep ? 300 : 4))(
  'in memory what is accepted is delivered until it is finished, in order, whatever happens (seed %i)',
  (seed) => run(seed, memoryDisk(createMemoryDisk())),
)

test.each(seeds(deep ? 60 : 2))(
  'in a folder as well, where a crash leaves files that were being written (seed %i)',
  (seed) => run(seed, folderDisk(newFolder())),
  60_000,
)

function seeds(count: number): number[] {
  return Array.from({ length: count }, (_, run) => firstSeed + run)
}

async function run(seed: number, disk: Disk): Promise<void> {
  const world = await createWorld(seed, disk)
  for (let step = 0; step < steps; step++) await world.step()
  await world.finish()
}

function memoryDisk(disk: MemoryDisk): Disk {
  return {
    open: (options) => openMemoryQueue({ ...options, disk }),
    copy: async () => memoryDisk(await disk.copy()),
  }
}

function folderDisk(folder: string): Disk {
  return {
    open: (options) => openQueue(folder, { ...options, durability: 'os', ballastBytes: 0 }),
    async copy() {
      for (let attempt = 1; ; attempt++) {
        const twin = newFolder()
        try {
          // LevelDB writes on, on a thread of its own: the last write may be cut. To read LOCK would unlock it.
          cpSync(folder, twin, { recursive: true, filter: (path) => !path.endsWith('LOCK') })
          return folderDisk(twin)
        } catch (error) {
          // A file that was listed is gone: no crash finds half of a folder's list.
          if (attempt === 10 || (error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
        }
      }
    },
  }
}

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-model-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function createWorld(
  seed: number,
  firstDisk: Disk,
): Promise<{ step(): Promise<void>; finish(): Promise<void> }> {
  const random = createSeededRandom(seed)
  const pick = (limit: number): number => Math.floor(random() * limit)
  const clock: FakeClock = createFakeClock()
  const accepted = new Map<string, { value: number; group: string | undefined }>()
  const unsure = new Map<string, { value: number; group: string | undefined }>()
  const finished = new Set<string>()
  const perhapsFinished = new Set<string>()
  const buried = new Set<string>()
  const firsts = new Map<number, number>()
  /** The attempt that was given back, which the next delivery must have again. */
  const released = new Map<string, number>()
  const requeued = new Set<string>()
  const keys = new Map<string, string>()
  const grouped = new Map<string, string>()
  const checkpoints = new Map<string, number>()
  let disk = firstDisk
  let queue: Queue<number> = await open()
  let jobs: Job<number>[] = []
  let last = 0
  const operations = [
    enqueue,
    enqueue,
    enqueueMany,
    take,
    take,
    ack,
    ack,
    ack,
    retry,
    release,
    setCheckpoint,
    bury,
    requeue,
    wait,
    reopen,
    crash,
  ]
  return { step: () => operations[pick(operations.length)]!(), finish }

  function open(): Promise<Queue<number>> {
    const options = { clock, random, visibilityTimeoutMs: 1_000, maxAttempts: 65_535 }
    return disk.open({ ...options, limits: { bytes: 1e6 }, dedupeWindowMs: 1e9 })
  }

  function someOptions(): EnqueueOptions {
    const kind = pick(6)
    if (kind === 0) return { delayMs: 1 + pick(3_000), priority: pick(2) }
    if (kind === 1) return { group: `g${pick(3)}` }
    if (kind === 2) return { key: `k${pick(20)}` }
    return { priority: pick(3) }
  }

  async function enqueue(): Promise<void> {
    const options = someOptions()
    const value = last++
    const { id, duplicate } = await queue.enqueue(value, options)
    const known = options.key === undefined ? undefined : keys.get(options.key)
    expect(duplicate).toBe(known !== undefined)
    if (known !== undefined) expect(id).toBe(known)
    else accepted.set(id, { value, group: options.group })
    if (options.group !== undefined) grouped.set(id, options.group)
    if (options.key !== undefined) keys.set(options.key, id)
  }

  async function enqueueMany(): Promise<void> {
    const values = Array.from({ length: 1 + pick(400) }, () => last++)
    const ids = await queue.enqueueMany(values)
    for (const [index, { id }] of ids.entries()) accepted.set(id, { value: values[index]!, group: undefined })
    expect(new Set(ids.map(({ id }) => id)).size).toBe(values.length)
  }

  async function take(): Promise<void> {
    for (const job of await queue.take({ max: 1 + pick(200) })) {
      const known = accepted.get(job.id) ?? unsure.get(job.id)
      if (known?.value !== job.value || finished.has(job.id) || buried.has(job.id))
        expect.fail(`${job.id} gave ${job.value}, ${known?.value} was accepted`)
      expectOrder(job, known!.group)
      expect(job.checkpoint, `of ${job.id}`).toBe(checkpoints.get(job.id))
      jobs.push(job)
    }
  }

  /** First deliveries of a priority come in the order of their sequence; of a group, one at a time, but for those that had died. */
  function expectOrder(job: Job<number>, group: string | undefined): void {
    const [, lane, seq] = job.id.split('-').map((part) => Number.parseInt(part, 36)) as [
      number,
      number,
      number,
    ]
    const givenBack = released.get(job.id)
    if (givenBack !== undefined) expect(job.attempt).toBe(givenBack)
    const isAgain = released.delete(job.id)
    const isReadyLane = job.id.split('-')[1]!.startsWith('1') && !requeued.has(job.id)
    if (group !== undefined) {
      const rivals = [...grouped].filter(([id, other]) => other === group && !isOver(id) && !requeued.has(id))
      const before = rivals.filter(([id]) => Number.parseInt(id.split('-')[2]!, 36) < seq)
      expect(
        before.map(([id]) => id),
        `before ${job.id}`,
      ).toEqual([])
    } else if (isReadyLane && job.attempt === 1 && !isAgain) {
      for (const [id, attempt] of released) if (attempt === 1) expect(isBefore(id, job.id)).toBe(false)
      expect(seq).toBeGreaterThan(firsts.get(lane) ?? -1)
      firsts.set(lane, seq)
    }
  }

  function isBefore(id: string, other: string): boolean {
    const [, lane, seq] = id.split('-') as [string, string, string]
    const [, otherLane, otherSeq] = other.split('-') as [string, string, string]
    const isFree = accepted.get(id)?.group === undefined
    return isFree && lane === otherLane && Number.parseInt(seq, 36) < Number.parseInt(otherSeq, 36)
  }

  function isOver(id: string): boolean {
    return finished.has(id) || buried.has(id) || perhapsFinished.has(id)
  }

  async function ack(): Promise<void> {
    const some = jobs.splice(0, 1 + pick(200))
    const results = await Promise.all(some.map((job) => job.ack()))
    for (const [index, job] of some.entries()) if (results[index]) finished.add(job.id)
  }

  async function retry(): Promise<void> {
    const [job] = jobs.splice(pick(jobs.length), 1)
    await job?.retry({ delayMs: pick(2) * pick(2_000), error: new Error('again') })
  }

  async function release(): Promise<void> {
    const some = jobs.splice(pick(jobs.length), 1 + pick(20))
    const results = await Promise.all(some.map((job) => job.release()))
    for (const [index, job] of some.entries()) if (results[index]) released.set(job.id, job.attempt)
  }

  async function setCheckpoint(): Promise<void> {
    const job = jobs[pick(jobs.length)]
    const at = last++
    if (job && (await job.setCheckpoint(at))) checkpoints.set(job.id, at)
  }

  async function bury(): Promise<void> {
    const [job] = jobs.splice(pick(jobs.length), 1)
    if (!job || !(await job.bury('bad'))) return
    buried.add(job.id)
    checkpoints.delete(job.id)
  }

  /** What was dead is as if it were new, but for its place. */
  async function requeue(): Promise<void> {
    const ids = [...buried].filter(() => pick(2) === 0)
    expect(await queue.requeue({ ids })).toBe(ids.length)
    for (const id of ids) {
      buried.delete(id)
      requeued.add(id)
    }
  }

  async function wait(): Promise<void> {
    await clock.advance(pick(1_500))
  }

  async function reopen(): Promise<void> {
    await queue.close()
    forget()
    queue = await open()
  }

  /** The disk as it is at some moment while much is under way. */
  async function crash(): Promise<void> {
    const values = Array.from({ length: pick(5) }, () => last++)
    const enqueued = values.map((value) => queue.enqueue(value))
    const acking = jobs.splice(0, pick(20))
    for (const { id } of acking) perhapsFinished.add(id)
    const acked = acking.map((job) => job.ack())
    for (let turn = pick(12); turn > 0; turn--) await (pick(4) === 0 ? new Promise(setImmediate) : null)
    const left = await disk.copy()
    for (const [index, { id }] of (await Promise.all(enqueued)).entries())
      unsure.set(id, { value: values[index]!, group: undefined })
    await Promise.all(acked)
    await queue.close()
    disk = left
    forget()
    queue = await open()
    expect(queue.recovery.unclean).toBe(true)
  }

  function forget(): void {
    jobs = []
    firsts.clear()
  }

  async function finish(): Promise<void> {
    for (let idle = 0; idle < 3; ) {
      const before = queue.size
      await take()
      for (let more = jobs.length; more > 0; more = jobs.length) await ack()
      idle = before.ready + before.delayed + before.inFlight === 0 ? idle + 1 : 0
      await clock.advance(1_000)
    }
    const left = [...accepted.keys()].filter((id) => !isOver(id))
    expect(left).toEqual([])
    expect(queue.size).toEqual({ ready: 0, delayed: 0, inFlight: 0, dead: buried.size, bytes: 0 })
    expect(await queue.verify()).toMatchObject({ messages: buried.size, losses: [] })
    expect((await queue.peek({ lane: 'dead', limit: 10_000 })).map(({ id }) => id).sort()).toEqual(
      [...buried].sort(),
    )
    await queue.close()
    expect(clock.sleepers).toBe(0)
  }
}
