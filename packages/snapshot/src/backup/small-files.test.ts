import { execFileSync } from 'node:child_process'
import { mkdtemp, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSeededRandom } from '@holdfast/core/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { defaultSizes } from '../chunks/chunker.ts'
import { type Compressed, decompress } from '../chunks/codec.ts'
import { createKeys } from '../keys/keys.ts'
import { createThreads, type Threads } from '../threads/thread.ts'
import { createSmallFiles, type SmallFiles } from './small-files.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-small-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const random = createSeededRandom(5)
const noise = (bytes: number): Buffer => Buffer.from(Array.from({ length: bytes }, () => random() * 256))

async function write(count: number, contentOf: (at: number) => Uint8Array): Promise<string[]> {
  const paths = Array.from({ length: count }, (_, at) => join(folder, `file-${String(at).padStart(4, '0')}`))
  for (const [at, path] of paths.entries()) await writeFile(path, contentOf(at))
  return paths
}

/** A sink that keeps what it is given. */
function keeping() {
  const claimed = new Set<string>()
  const added = new Map<string, { length: number; compressed: Compressed }>()
  return {
    claimed,
    added,
    claim: (id: string) => !claimed.has(id) && Boolean(claimed.add(id)),
    add: async (id: string, length: number, compressed: Compressed) =>
      void added.set(id, { length, compressed }),
  }
}

const { idKey, chunkId } = createKeys(new Uint8Array(32).fill(1))
const maxBytes = defaultSizes.minBytes
let threads: Threads
const create = (sink: ReturnType<typeof keeping>): SmallFiles => {
  threads = createThreads(2, { idKey, maxBytes, compression: 'brotli' })
  return createSmallFiles(threads, maxBytes, sink)
}
const close = async (files: SmallFiles): Promise<void> => {
  files.close()
  await threads.close()
}
test('files are stored each as one chunk, and once where two are the same', async () => {
  const paths = await write(300, (at) =>
    at % 3 === 0 ? Buffer.from(`text ${at} `.repeat(at)) : noise(at % 7),
  )
  const sink = keeping()
  const files = create(sink)
  const stored = await Promise.all(paths.map((path) => files.store(path, 10)))
  await close(files)
  expect(stored.filter((file) => file === undefined)).toHaveLength(32) // No thread is started for so few.
  for (const [at, file] of stored.entries()) {
    if (!file) continue
    const content = await readFile(paths[at]!)
    expect(file.size).toBe(content.length)
    expect(file.chunks).toEqual(content.length > 0 ? [chunkId(content)] : [])
    if (content.length === 0) continue
    const { length, compressed } = sink.added.get(file.chunks[0]!)!
    expect(content.equals(await decompress(compressed.codec, compressed.bytes, length))).toBe(true)
  }
  expect(sink.claimed).toEqual(new Set(sink.added.keys()))
  expect([...sink.added.values()].some(({ compressed }) => compressed.codec === 1)).toBe(true)
})

test('what is no small file that stands still is left to who can tell what is wrong', async () => {
  const paths = await write(40, () => noise(100))
  execFileSync('mkfifo', [join(folder, 'fifo')])
  await symlink(paths[0]!, join(folder, 'link'))
  await writeFile(join(folder, 'large'), '')
  await truncate(join(folder, 'large'), defaultSizes.minBytes + 1)
  const files = create(keeping())
  await Promise.all(paths.map((path) => files.store(path, 100)))
  const odd = ['fifo', 'link', 'large', 'none', '.'].map((name) => files.store(join(folder, name), 100))
  expect(await Promise.all(odd)).toEqual(odd.map(() => undefined))
  await close(files)
})

test('a thread that dies leaves no chunk that is taken for stored', async () => {
  const paths = await write(600, () => noise(3_000))
  const sink = keeping()
  const files = create(sink)
  const storing = paths.map((path) => files.store(path, 3_000))
  for (const store of storing) store.catch(() => {})
  await Promise.race(storing.slice(32).map((store) => store.catch(() => {})))
  await close(files)
  const ended = await Promise.allSettled(storing)
  const lost = [...sink.claimed].filter((id) => !sink.added.has(id))
  if (lost.length > 0) expect(ended.some(({ status }) => status === 'rejected')).toBe(true)
  for (const result of ended)
    if (result.status === 'fulfilled')
      for (const id of result.value?.chunks ?? []) expect(sink.added.has(id)).toBe(true)
})
