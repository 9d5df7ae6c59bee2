import { createHash } from 'node:crypto'
import {
  chmod,
  link,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  truncate,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@holdfast/core'
import { createSeededRandom } from '@holdfast/core/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  type BlobStore,
  directory,
  folderStore,
  memoryStore,
  openRepository,
  type Progress,
  type Repository,
} from './index.ts'

let folder: string
let source: string
let store: BlobStore
let repository: Repository

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-repository-'))
  source = join(folder, 'source')
  await mkdir(source)
  store = memoryStore()
  repository = await openRepository(store)
})

afterEach(async () => {
  await repository.close()
  await rm(folder, { recursive: true, force: true })
})

/** Bytes that no compressor shrinks. */
function noise(bytes: number, seed = 1): Buffer {
  const random = createSeededRandom(seed)
  return Buffer.from(Array.from({ length: bytes }, () => Math.floor(random() * 256)))
}

/** Everything under a folder that a restore must give back. */
async function facts(root: string, path = ''): Promise<Record<string, unknown>> {
  const at = join(root, path)
  const found = await lstat(at, { bigint: true })
  const common = { mode: found.mode, mtimeUs: found.mtimeNs / 1_000n }
  if (found.isSymbolicLink()) return { [path]: common }
  if (found.isFile())
    return {
      [path]: {
        ...common,
        content: createHash('sha256')
          .update(await readFile(at))
          .digest('hex'),
      },
    }
  const below = await Promise.all((await readdir(at)).map((name) => facts(root, join(path, name))))
  return Object.assign({ [path]: common }, ...below)
}

async function fillSource(): Promise<void> {
  await mkdir(join(source, 'a/b'), { recursive: true })
  await writeFile(join(source, 'a/small'), 'hello')
  await writeFile(join(source, 'a/empty'), '')
  await writeFile(join(source, 'a/b/large'), noise(3_000_000))
  await writeFile(join(source, 'text'), 'a line that repeats\n'.repeat(50_000))
  await symlink('../nowhere', join(source, 'a/dangling'))
  await symlink('loop', join(source, 'loop'))
  await chmod(join(source, 'a/small'), 0o640)
  await utimes(join(source, 'a/small'), 1_234_567_890.123456, 1_234_567_890.123456)
  await chmod(join(source, 'a/b'), 0o555)
}

const take = (name = 'edge-7/state') => repository.backup(directory(source), { name })

describe('backup and restore', () => {
  test('give back every byte, mode and time', async () => {
    await fillSource()
    const snapshot = await take()
    expect(snapshot).toMatchObject({ state: 'complete', files: 4, folders: 3, kind: 'directory' })
    const result = await repository.restore(snapshot, join(folder, 'target'))
    expect(await facts(join(folder, 'target'))).toEqual(await facts(source))
    expect(result).toMatchObject({ files: 4, folders: 3, restoredBytes: snapshot.bytes, skippedPaths: [] })
    expect((await readdir(folder)).sort()).toEqual(['source', 'target'])
    await chmod(join(source, 'a/b'), 0o755)
  })

  test('keep odd names, of bytes that are no UTF-8 and of 255 bytes', async () => {
    const odd = Buffer.concat([Buffer.from(`${source}/`), Buffer.of(0xff, 0x41, 0xc3)])
    await writeFile(odd, 'odd')
    await writeFile(join(source, 'n'.repeat(255)), 'long')
    await writeFile(join(source, 'ünï🦀'), 'utf8')
    await repository.restore(await take(), join(folder, 'target'))
    const names = (at: string) => readdir(at, { encoding: 'buffer' })
    expect((await names(join(folder, 'target'))).sort()).toEqual((await names(source)).sort())
  })

  test('keep hard links together and holes empty', async () => {
    await writeFile(join(source, 'one'), 'shared')
    await link(join(source, 'one'), join(source, 'two'))
    await writeFile(join(source, 'sparse'), '')
    await truncate(join(source, 'sparse'), 64 << 20)
    const snapshot = await take()
    expect(snapshot.storedBytes).toBeLessThan(10_000)
    const target = join(folder, 'target')
    await repository.restore(snapshot, target)
    expect((await stat(join(target, 'one'))).ino).toBe((await stat(join(target, 'two'))).ino)
    const sparse = await stat(join(target, 'sparse'))
    expect(sparse.size).toBe(64 << 20)
    expect(sparse.blocks).toBeLessThan(100)
  })

  test('store what did not change only once', async () => {
    await fillSource()
    const first = await take()
    const second = await repository.backup(directory(source), { name: 'edge-8/state' })
    expect(first.storedBytes).toBeGreaterThan(3_000_000)
    expect(second.storedBytes).toBe(0)
    await chmod(join(source, 'a/b'), 0o755)
    const large = join(source, 'a/b/large')
    await writeFile(large, Buffer.concat([noise(100, 2), await readFile(large)]))
    const third = await take()
    expect(Math.round(third.storedBytes / 1_000_000)).toBeLessThanOrEqual(2)
    await repository.restore(third, join(folder, 'target'))
    expect(await facts(join(folder, 'target'))).toEqual(await facts(source))
  })

  test('take only what is included', async () => {
    await fillSource()
    await chmod(join(source, 'a/b'), 0o755)
    const result = await repository.restore(await take(), join(folder, 'target'), {
      include: ['a/b', 'text'],
    })
    expect(result.files).toBe(2)
    expect(Object.keys(await facts(join(folder, 'target'))).sort()).toEqual([
      '',
      'a',
      'a/b',
      'a/b/large',
      'text',
    ])
  })

  test('refuse a target that is not empty, and replace it when told to', async () => {
    await fillSource()
    await chmod(join(source, 'a/b'), 0o755)
    const snapshot = await take()
    const target = join(folder, 'target')
    await mkdir(target)
    await repository.restore(snapshot, target)
    await writeFile(join(target, 'mine'), 'precious')
    await expect(repository.restore(snapshot, target)).rejects.toMatchObject({ code: 'TARGET_EXISTS' })
    expect(await readFile(join(target, 'mine'), 'utf8')).toBe('precious')
    await repository.restore(snapshot, target, { overwrite: 'replace' })
    expect(await readdir(target)).toEqual(await readdir(source))
    expect((await readdir(folder)).sort()).toEqual(['source', 'target'])
  })

  test('take from the replaced target what is right there, and nothing that is not', async () => {
    await fillSource()
    await chmod(join(source, 'a/b'), 0o755)
    const snapshot = await take()
    const target = join(folder, 'target')
    await repository.restore(snapshot, target)
    const large = await readFile(join(target, 'a/b/large'))
    large[2_900_000]! ^= 1
    await writeFile(join(target, 'a/b/large'), large)
    await writeFile(join(target, 'a/small'), 'jello')
    const again = await repository.restore(snapshot, target, { overwrite: 'replace' })
    expect(await facts(target)).toEqual(await facts(source))
    expect(again.reusedBytes).toBeGreaterThan(1_000_000)
    expect(again.reusedBytes).toBeLessThan(again.restoredBytes - 100_000)
  })

  test('tell how far they are', async () => {
    await fillSource()
    await chmod(join(source, 'a/b'), 0o755)
    const seen: Progress[] = []
    const snapshot = await repository.backup(directory(source), {
      name: 'n',
      onProgress: (one) => seen.push(one),
    })
    expect(seen.at(-1)).toMatchObject({ phase: 'commit', bytes: snapshot.bytes, files: 4 })
    let nowMs = 0
    // A clock that has everything told: progress comes every 100 ms at most.
    const now = (): number => {
      nowMs += 200
      return nowMs
    }
    const clock = { ...systemClock, now }
    await using telling = await openRepository(store, { clock })
    for (const level of ['bytes', 'data'] as const) {
      const told: Progress[] = []
      await telling.verify(snapshot, { level, onProgress: (one) => told.push(one) })
      const counted = told.filter(({ bytes }) => bytes > 0)
      expect(counted.length).toBeGreaterThan(2)
      expect(counted.every(({ bytes, totalBytes = 0 }) => bytes <= totalBytes)).toBe(true)
      expect(told.at(-1)).toMatchObject({ phase: 'verify', msLeft: 0 })
    }
    await repository.restore(snapshot, join(folder, 'target'), { onProgress: (one) => seen.push(one) })
    expect(seen.at(-1)).toMatchObject({
      phase: 'commit',
      bytes: snapshot.bytes,
      totalBytes: snapshot.bytes,
      msLeft: 0,
    })
  })

  test('end early on abort, with the signal’s reason, and leave nothing behind', async () => {
    await fillSource()
    await chmod(join(source, 'a/b'), 0o755)
    const snapshot = await take()
    const abort = new AbortController()
    const reason = new Error('enough')
    const onProgress = () => abort.abort(reason)
    const options = { signal: abort.signal, onProgress }
    await expect(
      repository.backup(directory(source), { name: 'n', ...options, forceRead: true }),
    ).rejects.toBe(reason)
    expect(await repository.list({ name: 'n' })).toEqual([])
    await expect(repository.restore(snapshot, join(folder, 'target'), options)).rejects.toBe(reason)
    expect(await readdir(folder)).toEqual(['source'])
  })
})

describe('list', () => {
  test('goes from the oldest to the newest, by name and tags', async () => {
    await writeFile(join(source, 'file'), 'x')
    const first = await repository.backup(directory(source), { name: 'a', tags: { host: 'one' } })
    const second = await repository.backup(directory(source), { name: 'b', tags: { host: 'two' } })
    expect((await repository.list()).map(({ digest }) => digest)).toEqual([first.digest, second.digest])
    expect((await repository.list({ name: 'b' })).map(({ name }) => name)).toEqual(['b'])
    expect((await repository.list({ tags: { host: 'one' } })).map(({ name }) => name)).toEqual(['a'])
  })
})

describe('failures are told by code', () => {
  test('a source that is missing, no folder, or not readable', async () => {
    const missing = repository.backup(directory(join(folder, 'none')), { name: 'n' })
    await expect(missing).rejects.toMatchObject({ code: 'SOURCE_UNREADABLE', fields: { reason: 'ENOENT' } })
    await writeFile(join(folder, 'file'), '')
    await expect(repository.backup(directory(join(folder, 'file')), { name: 'n' })).rejects.toMatchObject({
      code: 'SOURCE_UNREADABLE',
    })
    expect(await repository.list()).toEqual([])
  })

  test('a snapshot or repository that is not there', async () => {
    const digest = `sha256:${'0'.repeat(64)}`
    await expect(repository.restore(digest, join(folder, 't'))).rejects.toMatchObject({
      code: 'SNAPSHOT_NOT_FOUND',
    })
    await expect(repository.verify('latest')).rejects.toThrow(TypeError)
    const none = openRepository(folderStore(join(folder, 'none')), { create: false })
    await expect(none).rejects.toMatchObject({ code: 'REPOSITORY_NOT_FOUND' })
    const blocked = openRepository(folderStore('/dev/null'))
    await expect(blocked).rejects.toMatchObject({ code: 'STORE_FAILED', retryable: true })
  })

  test('options that make no sense', async () => {
    await expect(repository.backup(directory(source), { name: '../up' })).rejects.toThrow(RangeError)
    await expect(repository.verify(`sha256:${'0'.repeat(64)}`, { level: 'some' as 'data' })).rejects.toThrow(
      /level/,
    )
    expect(() => directory('')).toThrow(/path/)
    await expect(openRepository({} as BlobStore)).rejects.toThrow(/store/)
  })

  test('use after close; closing ends what is under way', async () => {
    await fillSource()
    const ending = take()
    await Promise.all([repository.close(), repository.close()])
    await expect(ending).rejects.toMatchObject({ code: 'REPOSITORY_CLOSED' })
    await expect(repository.list()).rejects.toMatchObject({ code: 'REPOSITORY_CLOSED' })
    await chmod(join(source, 'a/b'), 0o755)
  })
})
