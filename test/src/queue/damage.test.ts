import {
  cpSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bytesCodec, type Loss, openQueue, type Queue } from '@holdfast/queue'
import { Level } from 'level'
import { beforeAll, expect, onTestFinished, test } from 'vitest'

// What a bad disk does, to a queue that was closed in order with 600 messages in it.
const count = 600
const samples = process.env['HOLDFAST_DEEP'] ? 400 : 24
let intact: string

beforeAll(async () => {
  intact = mkdtempSync(join(tmpdir(), 'holdfast-damage-'))
  const queue = await open(intact)
  await queue.enqueueMany(Array.from({ length: count / 2 }, (_, n) => messageOf(n)))
  await queue.enqueueMany(Array.from({ length: count / 2 }, (_, n) => messageOf(n + count / 2)))
  await queue.close()
  return () => rmSync(intact, { recursive: true, force: true })
})

test.each(['log', 'ldb'])(
  'a flipped byte in a .%s gives no wrong payload, and each loss is told of',
  async (kind) => {
    const source = kind === 'ldb' ? await compacted() : intact
    const file = readdirSync(source)
      .filter((name) => name.endsWith(`.${kind}`))
      .sort()
      .at(-1)!
    const size = readFileSync(join(source, file)).length
    for (let sample = 0; sample < samples; sample++) {
      const at = Math.floor(((sample + 0.5) * size) / samples)
      const folder = copyOf(source)
      const bytes = readFileSync(join(folder, file))
      bytes[at]! ^= 0xff
      writeFileSync(join(folder, file), bytes)
      await expectHonest(folder, `byte ${at} of ${size}`)
      rmSync(folder, { recursive: true, force: true })
    }
  },
  120_000,
)

test('a block of zeros in a table is set aside by the open after the one that it aborted', async () => {
  const folder = copyOf(await compacted())
  const file = readdirSync(folder).find((name) => name.endsWith('.ldb'))!
  const bytes = readFileSync(join(folder, file))
  bytes.fill(0, 4_096, 8_192)
  writeFileSync(join(folder, file), bytes)
  writeFileSync(join(folder, 'holdfast.opening'), 'opening 0')
  const queue = await open(folder)
  expect(queue.recovery.quarantined).toEqual([expect.stringContaining(file)])
  expect(queue.recovery.repaired).toBe(true)
  await queue.enqueue(messageOf(1))
  expect(await queue.take()).toHaveLength(1)
  await queue.close()
})

test('a table that a killed owner was writing is no damage', async () => {
  const folder = copyOf(await compacted())
  const file = readdirSync(folder).find((name) => name.endsWith('.ldb'))!
  writeFileSync(join(folder, '999999.ldb'), readFileSync(join(folder, file)).subarray(0, 5_000))
  writeFileSync(join(folder, 'holdfast.opening'), 'opening 0')
  const queue = await open(folder, { onCorruption: 'fail' })
  expect(queue.recovery).toEqual({ unclean: false, repaired: false, quarantined: [] })
  expect(queue.size.ready).toBe(count)
  await queue.close()
  expect(readdirSync(folder)).not.toContain('999999.ldb')
})

test('data files without CURRENT are set aside, or refused, and never overwritten', async () => {
  const folder = copyOf(intact)
  renameSync(join(folder, 'CURRENT'), join(folder, 'elsewhere'))
  await expect(open(folder, { onCorruption: 'fail' })).rejects.toMatchObject({ code: 'QUEUE_CORRUPT' })
  const before = readdirSync(folder).filter((name) => /^\d+\.log$/.test(name))
  const queue = await open(folder)
  expect(queue.recovery.quarantined.map((path) => path.split('/').at(-1))).toEqual(
    expect.arrayContaining(before),
  )
  expect(queue.size.ready).toBe(0)
  await queue.close()
})

test('a MANIFEST that is cut is repaired', async () => {
  const folder = copyOf(intact)
  const manifest = readdirSync(folder).find((name) => name.startsWith('MANIFEST'))!
  truncateSync(join(folder, manifest), 0)
  await expect(open(folder, { onCorruption: 'fail' })).rejects.toMatchObject({ code: 'QUEUE_CORRUPT' })
  const queue = await open(folder)
  expect(queue.recovery.repaired).toBe(true)
  expect(queue.size.ready).toBe(count)
  await queue.close()
})

test('a log that ends in the middle of a write, as after a power cut, opens with what came before', async () => {
  const folder = copyOf(intact)
  const log = readdirSync(folder).find((name) => name.endsWith('.log'))!
  const size = readFileSync(join(folder, log)).length
  truncateSync(join(folder, log), Math.floor(size * 0.9))
  await expectHonest(folder, 'torn')
})

test('a copy of the folder without our own files is a queue', async () => {
  const folder = copyOf(intact)
  for (const name of readdirSync(folder))
    if (name.startsWith('holdfast.')) rmSync(join(folder, name), { recursive: true })
  const queue = await open(folder)
  expect(queue.size.ready).toBe(count)
  await queue.close()
})

function open(folder: string, options: { onCorruption?: 'fail' } = {}): Promise<Queue<Uint8Array>> {
  return openQueue(folder, { codec: bytesCodec, ballastBytes: 0, durability: 'os', ...options })
}

/** Opens it, whatever it is by now, and takes all there is. */
async function expectHonest(folder: string, where: string): Promise<void> {
  const queue = await open(folder)
  const losses: Loss[] = []
  queue.on('lost', (loss) => losses.push(loss))
  const seen = new Set<number>()
  for (let jobs = await queue.take({ max: 100 }); jobs.length > 0; jobs = await queue.take({ max: 100 }))
    for (const job of jobs) {
      const n = Buffer.from(job.value).readUInt32BE(0)
      expect(Buffer.from(job.value).equals(messageOf(n)), where).toBe(true)
      seen.add(n)
    }
  const lost = losses.reduce((sum, { messages }) => sum + messages, 0)
  // Where LevelDB dropped the end of the log, nothing on disk tells that there was one.
  const isToldOf = seen.size + lost === count || isTail(seen)
  expect(isToldOf, `${where}: ${seen.size} seen, ${JSON.stringify(losses)}`).toBe(true)
  await queue.close()
}

/** Whether what is there is the beginning, without a gap. */
function isTail(seen: ReadonlySet<number>): boolean {
  return Math.max(-1, ...seen) === seen.size - 1
}

function messageOf(n: number): Buffer {
  const bytes = Buffer.alloc(100, n % 251)
  bytes.writeUInt32BE(n, 0)
  return bytes
}

function copyOf(source: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-damage-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  cpSync(source, folder, { recursive: true })
  return folder
}

/** The same messages, in a table and not in a log. */
async function compacted(): Promise<string> {
  const folder = copyOf(intact)
  const level = new Level(folder) as Level & { compactRange(start: string, end: string): Promise<void> }
  await level.open()
  await level.compactRange('\0', '\u00ff')
  await level.close()
  return folder
}
