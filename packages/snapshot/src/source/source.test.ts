import { execFileSync } from 'node:child_process'
import { appendFileSync, renameSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFakeClock } from '@holdfast/core/testing'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  bracket,
  directory,
  memoryStore,
  openRepository,
  type Repository,
  type Source,
  stream,
} from '../index.ts'

let folder: string
let source: string
let repository: Repository
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-source-'))
  source = join(folder, 'source')
  await mkdir(source)
  repository = await openRepository(memoryStore())
})
afterEach(async () => {
  await repository.close()
  await rm(folder, { recursive: true, force: true })
})

/** The same source, with something happening each time that a file has just been read. */
function meanwhile(inner: Source, act: (read: number) => void): Source {
  let reads = 0
  return {
    ...inner,
    open: async (options) => {
      const opened = await inner.open(options)
      const entries = async () =>
        (await opened.root.entries()).map((entry) => {
          if (entry.type !== 'file') return entry
          const open = async () => {
            const file = await entry.open()
            return {
              ...file,
              changed: async () => {
                reads += 1
                act(reads)
                return file.changed()
              },
            }
          }
          return { ...entry, open }
        })
      return { ...opened, root: { ...opened.root, entries } }
    },
  }
}

describe('a file that changes while it is read', () => {
  const path = () => join(source, 'file')
  const changes: [string, (read: number) => void][] = [
    ['grows', () => appendFileSync(path(), 'more')],
    ['is cut', (read) => truncateSync(path(), 100 - read)],
    [
      'is replaced',
      (read) => {
        writeFileSync(join(folder, 'other'), `${read}`.repeat(200))
        renameSync(join(folder, 'other'), path())
      },
    ],
    [
      'is written over, with its time put back',
      (read) => {
        writeFileSync(path(), `${read}`.repeat(200))
        utimesSync(path(), 1e9, 1e9)
      },
    ],
  ]
  test.each(changes)(
    'and %s: is read again, and once it stands still the snapshot is complete',
    async (_, change) => {
      writeFileSync(path(), 'x'.repeat(200))
      utimesSync(path(), 1e9, 1e9)
      const snapshot = await repository.backup(
        meanwhile(directory(source), (read) => read <= 2 && change(read)),
        { name: 'n' },
      )
      expect(snapshot).toMatchObject({ state: 'complete', inconsistentPaths: [] })
      await repository.restore(snapshot, join(folder, 'target'))
      expect(await readFile(join(folder, 'target/file'), 'utf8')).toBe(await readFile(path(), 'utf8'))
    },
  )

  test.each(changes)('and %s, each time: makes it partial and is named', async (_, change) => {
    writeFileSync(path(), 'x'.repeat(200))
    utimesSync(path(), 1e9, 1e9)
    const snapshot = await repository.backup(meanwhile(directory(source), change), { name: 'n' })
    expect(snapshot).toMatchObject({ state: 'partial', inconsistent: 1, inconsistentPaths: ['file'] })
    expect(await repository.list()).toMatchObject([{ state: 'partial', inconsistent: 1 }])
    // Never taken for unchanged, though nothing changes any more.
    const next = await repository.backup(directory(source), { name: 'n' })
    expect(next).toMatchObject({ state: 'complete', unchangedFiles: 0 })
  })
})

test('what cannot be read makes it partial and is named; the rest is there', async () => {
  await writeFile(join(source, 'fine'), 'fine')
  const inner = directory(source)
  const failing: Source = {
    ...inner,
    open: async (options) => {
      const opened = await inner.open(options)
      const error = Object.assign(new Error('input/output error'), { code: 'EIO' })
      const entries = async () => [
        ...(await opened.root.entries()),
        { type: 'unreadable' as const, name: 'bad', error },
      ]
      return { ...opened, root: { ...opened.root, entries } }
    },
  }
  const snapshot = await repository.backup(failing, { name: 'n' })
  expect(snapshot).toMatchObject({
    state: 'partial',
    files: 1,
    unreadablePaths: [{ path: 'bad', reason: 'EIO' }],
  })
})

test('FIFOs are noted, never opened, and not made again', async () => {
  execFileSync('mkfifo', [join(source, 'fifo')])
  await writeFile(join(source, 'file'), '')
  const snapshot = await repository.backup(directory(source), { name: 'n' })
  expect(snapshot.state).toBe('complete')
  const { skippedPaths } = await repository.restore(snapshot, join(folder, 'target'))
  expect(skippedPaths).toEqual(['fifo'])
})

test('unchanged files are taken over unread, and read when forced to or changed a moment ago', async () => {
  await writeFile(join(source, 'old'), 'old')
  const clock = createFakeClock({ wall: Date.now() + 60_000 })
  await using later = await openRepository(memoryStore(), { clock })
  const take = (forceRead = false, name = 'n') => later.backup(directory(source), { name, forceRead })
  expect((await take()).unchangedFiles).toBe(0)
  expect((await take()).unchangedFiles).toBe(1)
  expect((await take(true)).unchangedFiles).toBe(0)
  // Within two seconds of the last scan a file may have changed again with the same time.
  clock.setWall((await stat(join(source, 'old'))).ctimeMs + 1_000)
  await take(false, 'other')
  expect((await take(false, 'other')).unchangedFiles).toBe(0)
})

describe('stream', () => {
  async function* parts(count: number, failure?: Error) {
    for (let part = 0; part < count; part += 1) yield Buffer.alloc(700_000, part)
    if (failure) throw failure
  }

  test('is one file of any length', async () => {
    const snapshot = await repository.backup(stream({ name: 'dump', open: () => parts(15) }), { name: 'n' })
    expect(snapshot).toMatchObject({ kind: 'stream', files: 1, bytes: 15 * 700_000 })
    await repository.restore(snapshot, join(folder, 'target'))
    const whole: Buffer[] = []
    for await (const part of parts(15)) whole.push(part)
    expect((await readFile(join(folder, 'target/dump'))).equals(Buffer.concat(whole))).toBe(true)
  })

  test('that fails makes no snapshot', async () => {
    const failing = stream({ name: 'dump', open: () => parts(2, new Error('exit code 1')) })
    await expect(repository.backup(failing, { name: 'n' })).rejects.toMatchObject({
      code: 'SOURCE_UNREADABLE',
    })
    expect(await repository.list()).toEqual([])
    expect(() => stream({ name: '../x', open: () => parts(1) })).toThrow(RangeError)
  })
})

describe('bracket', () => {
  test('acquires, backs up, and releases, also after a failure', async () => {
    await writeFile(join(source, 'file'), 'x')
    const steps: string[] = []
    const hooks = {
      acquire: async () => {
        steps.push('acquire')
        return source
      },
      release: async () => void steps.push('release'),
    }
    await repository.backup(bracket({ ...hooks, source: (path) => directory(path) }), { name: 'n' })
    const failing = bracket({ ...hooks, source: () => directory(join(folder, 'none')) })
    await expect(repository.backup(failing, { name: 'n' })).rejects.toMatchObject({
      code: 'SOURCE_UNREADABLE',
    })
    expect(steps).toEqual(['acquire', 'release', 'acquire', 'release'])
  })

  test('gives up on an acquire that hangs, and releases it when it comes late', async () => {
    const clock = createFakeClock()
    await using own = await openRepository(memoryStore({ clock }), { clock })
    let acquired = (): void => {}
    let released = 0
    const hanging = bracket({
      acquire: () =>
        new Promise<void>((resolve) => {
          acquired = resolve
        }),
      source: () => directory(source),
      release: async () => {
        released += 1
      },
      acquireTimeoutMs: 1_000,
    })
    const outcome = own.backup(hanging, { name: 'n' }).catch((error: unknown) => error)
    await clock.advance(1_000)
    expect(await outcome).toMatchObject({ code: 'SOURCE_UNREADABLE' })
    expect(released).toBe(0)
    acquired()
    await clock.advance(0)
    expect(released).toBe(1)
  })

  test('is not held longer than allowed: released, and the backup fails', async () => {
    const clock = createFakeClock()
    await using own = await openRepository(memoryStore({ clock }), { clock })
    let released = 0
    const slow = stream({
      name: 'slow',
      open: async function* () {
        yield Buffer.from('begun')
        await clock.advance(5_000)
        yield Buffer.from('late')
      },
    })
    const release = async () => {
      released += 1
    }
    const held = bracket({ acquire: async () => {}, source: () => slow, release, holdMs: 1_000 })
    await expect(own.backup(held, { name: 'n' })).rejects.toMatchObject({ code: 'SOURCE_UNSTABLE' })
    expect(released).toBe(1)
  })
})
