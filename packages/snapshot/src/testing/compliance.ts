import { createHash } from 'node:crypto'
import type { BlobStore, ReadOptions } from '../store/store.ts'

/** The test runner's own functions, such as vitest's: this package needs none itself. */
export interface SuiteRunner {
  test(name: string, run: () => Promise<void>): unknown
  expect(value: unknown): {
    toBe(expected: unknown): unknown
    toEqual(expected: unknown): unknown
    toBeLessThanOrEqual(expected: number): unknown
  }
}

export interface BlobStoreSuite extends SuiteRunner {
  /** Makes a store that is empty. Called once for each test. */
  create(): Promise<BlobStore>
  /** Opens the same storage once more, as another process would. @default the store itself */
  reopen?(store: BlobStore): Promise<BlobStore>
  /** What the store promises. @default all of it */
  supports?: {
    /** Of several writers with `ifAbsent` exactly one wins. */
    atomicIfAbsent?: boolean
    /** `list` tells blobs, sizes and times. */
    listsBlobs?: boolean
  }
  /** Of the largest object that is tried, in bytes. @default 5 MiB */
  largeBytes?: number
  /** How often writers race. @default 3 */
  races?: number
}

const hello = Buffer.from('hello, world')
const blob = blobOf(hello)
const writers = 16

/** What every blob store must do for a repository to be safe on it. */
export function blobStoreCompliance(suite: BlobStoreSuite): void {
  const { test, expect, create, supports = {}, largeBytes = 5 << 20, races = 3 } = suite
  const { reopen = async (store: BlobStore) => store } = suite
  const { atomicIfAbsent = true, listsBlobs = true } = supports

  test('gives back what was put, whole and in parts', async () => {
    const store = await create()
    expect(await store.put(blob, [hello.subarray(0, 5), hello.subarray(5)])).toBe(true)
    const parts: [ReadOptions, string][] = [
      [{}, 'hello, world'],
      [{ offset: 7 }, 'world'],
      [{ length: 5 }, 'hello'],
      [{ offset: 7, length: 3 }, 'wor'],
      [{ offset: 11, length: 1 }, 'd'],
      [{ offset: 7, length: 300 }, 'world'],
      [{ offset: 3, length: 0 }, ''],
      [{ offset: 12 }, ''],
      [{ offset: 12, length: 5 }, ''],
      [{ offset: 300, length: 5 }, ''],
    ]
    for (const [part, expected] of parts)
      expect([part, text(await store.get(blob, part))]).toEqual([part, expected])
    expect((await store.stat(blob))?.size).toBe(12)
  })

  test('tells what is not there', async () => {
    const store = await create()
    for (const key of [blob, 'keys/none']) {
      expect(await store.get(key)).toBe(undefined)
      expect(await store.get(key, { offset: 3, length: 4 })).toBe(undefined)
      expect(await store.get(key, { length: 0 })).toBe(undefined)
      expect(await store.stat(key)).toBe(undefined)
    }
    for (const prefix of ['', 'refs/', 'none']) expect(await keysOf(store, prefix)).toEqual([])
  })

  test('shares no memory with who put or got', async () => {
    const store = await create()
    const given = Buffer.from('as it was put')
    await store.put('keys/a', [given])
    given.fill('x')
    const got = await store.get('keys/a')
    expect(text(got)).toBe('as it was put')
    got?.fill(0)
    expect(text(await store.get('keys/a'))).toBe('as it was put')
  })

  test('keeps what was put for who opens it again', async () => {
    const store = await create()
    await store.put(blob, [hello])
    await store.put('keys/a', [hello])
    const again = await reopen(store)
    expect(text(await again.get(blob, { offset: 7 }))).toBe('world')
    expect(await keysOf(again, 'keys/')).toEqual(['keys/a'])
    expect(await again.put('keys/a', [Buffer.from('other')], { ifAbsent: true })).toBe(false)
    await again.put('keys/a', [Buffer.from('new')])
    expect(text(await store.get('keys/a'))).toBe('new')
  })

  test('writes only where nothing is, when told to', async () => {
    const store = await create()
    const put = (value: string) => store.put('format.json', [Buffer.from(value)], { ifAbsent: true })
    expect(await put('first')).toBe(true)
    expect(await put('later')).toBe(false)
    expect(text(await store.get('format.json'))).toBe('first')
    expect(await store.put(blob, [hello], { ifAbsent: true })).toBe(true)
    expect(await store.put(blob, [hello], { ifAbsent: true })).toBe(false)
  })

  if (atomicIfAbsent)
    test('lets exactly one of many writers at once make an object', async () => {
      const store = await create()
      const stores = await Promise.all(Array.from({ length: writers }, () => reopen(store)))
      for (let race = 0; race < races; race += 1) {
        const key = `keys/race-${race}`
        const won = await Promise.all(
          stores.map((each, writer) => each.put(key, [Buffer.from(`writer ${writer}`)], { ifAbsent: true })),
        )
        expect(won.filter(Boolean).length).toBe(1)
        expect(text(await store.get(key))).toBe(`writer ${won.indexOf(true)}`)
      }
    })

  test('replaces an object whole, for every reader', async () => {
    const store = await create()
    const values = Array.from({ length: 4 }, (_, at) => String(at).repeat(30_000 * (at + 1)))
    await store.put('keys/a', [Buffer.from(values[0]!)])
    const put = async () => {
      for (const value of values) await store.put('keys/a', [Buffer.from(value)])
    }
    const seen: (string | undefined)[] = []
    const read = async () => {
      for (let count = 0; count < 12; count += 1) seen.push(text(await store.get('keys/a')))
    }
    await Promise.all([put(), read(), read()])
    expect(seen.filter((value) => value === undefined || !values.includes(value))).toEqual([])
    expect(text(await store.get('keys/a'))).toBe(values.at(-1))
  })

  test('lists by prefix', async () => {
    const store = await create()
    for (const key of ['keys/a', 'keys/ab', 'keys/b', 'keysx', 'gc/a-b.c_D9'])
      await store.put(key, [Buffer.from(key)])
    expect(await keysOf(store, 'keys/')).toEqual(['keys/a', 'keys/ab', 'keys/b'])
    expect(await keysOf(store, 'keys/a')).toEqual(['keys/a', 'keys/ab'])
    expect(await keysOf(store, 'gc/')).toEqual(['gc/a-b.c_D9'])
    expect((await keysOf(store, '')).length).toBe(5)
  })

  test('lists many, each once, page by page, while others come and go', async () => {
    const store = await create()
    const keys = Array.from({ length: 45 }, (_, at) => `keys/${String(at).padStart(3, '0')}`)
    await inTurns(keys, (key) => store.put(key, [hello]))
    expect(await keysOf(store, 'keys/')).toEqual(keys)
    const seen: string[] = []
    for await (const { key } of store.list('keys/')) {
      if (seen.push(key) > 1) continue
      await store.put('keys/000-new', [hello])
      if (store.supports.delete) await store.delete('keys/044')
    }
    const steady = keys.slice(0, -1)
    expect(steady.filter((key) => seen.filter((other) => other === key).length !== 1)).toEqual([])
    expect(seen.filter((key) => ![...keys, 'keys/000-new'].includes(key))).toEqual([])
    for await (const { key } of store.list('keys/')) {
      expect(key.startsWith('keys/')).toBe(true)
      break // Who has seen enough may leave.
    }
  })

  if (listsBlobs)
    test('tells sizes, and times by its own clock', async () => {
      const store = await create()
      const before = await store.now()
      await store.put(blob, [hello])
      const after = await store.now()
      const found: { size: number; modifiedMs: number }[] = []
      for await (const each of store.list('blobs/')) found.push(each)
      found.push((await store.stat(blob))!)
      expect(found.map(({ size }) => size)).toEqual([12, 12])
      for (const { modifiedMs } of found) {
        // HTTP tells whole seconds, and file times are coarse.
        expect(before - modifiedMs).toBeLessThanOrEqual(1_000)
        expect(modifiedMs - after).toBeLessThanOrEqual(1_000)
      }
    })

  test('holds an empty object and a large one', async () => {
    const store = await create()
    await store.put('keys/empty', [])
    expect((await store.get('keys/empty'))?.length).toBe(0)
    expect((await store.get('keys/empty', { offset: 0, length: 8 }))?.length).toBe(0)
    expect((await store.stat('keys/empty'))?.size).toBe(0)
    const large = patterned(largeBytes)
    const middle = (largeBytes >> 1) + 7
    await store.put(blobOf(large), [large.subarray(0, middle), large.subarray(middle)])
    expect((await store.stat(blobOf(large)))?.size).toBe(largeBytes)
    expect(Buffer.compare((await store.get(blobOf(large)))!, large)).toBe(0)
    const asked = { offset: middle - 1_000, length: 1 << 20 }
    const part = (await store.get(blobOf(large), asked))!
    expect(Buffer.compare(part, large.subarray(asked.offset, asked.offset + asked.length))).toBe(0)
    expect(
      Buffer.compare((await store.get(blobOf(large), { offset: largeBytes - 9 }))!, large.subarray(-9)),
    ).toBe(0)
  })

  test('deletes, if it can, and does not mind what is not there', async () => {
    const store = await create()
    if (!store.supports.delete) {
      await store.put(blob, [hello])
      expect(await outcomeOf(store.delete(blob))).toBe('STORE_UNSUPPORTED')
      return
    }
    for (const key of [blob, 'keys/a']) {
      await store.put(key, [hello])
      await store.delete(key)
      await store.delete(key)
      expect(await store.get(key)).toBe(undefined)
      expect(await store.stat(key)).toBe(undefined)
      expect(await keysOf(store, key)).toEqual([])
      expect(await store.put(key, [hello], { ifAbsent: true })).toBe(true)
    }
  })

  test('is never led outside', async () => {
    const store = await create()
    for (const key of [
      '../up',
      '/etc/passwd',
      'a/../../b',
      'a//b',
      '.hidden',
      'a/.b',
      '',
      'a\0b',
      'a\\b',
      'a?b',
      'ä',
    ])
      for (const call of [store.put(key, [hello]), store.get(key), store.stat(key)])
        expect(await outcomeOf(call)).toBe('RangeError')
    expect(await keysOf(store, '')).toEqual([])
  })

  test('does nothing for who has aborted', async () => {
    const store = await create()
    await store.put('keys/there', [Buffer.from('there')])
    const signal = AbortSignal.abort(new SyntaxError('the reason'))
    const calls = [
      store.put(blob, [hello], { signal }),
      store.put('keys/new', [hello], { signal, ifAbsent: true }),
      store.get('keys/there', { signal }),
      store.stat('keys/there', { signal }),
      collected(store.list('keys/', { signal })),
      ...(store.supports.delete ? [store.delete('keys/there', { signal })] : []),
    ]
    const outcomes = await Promise.all(calls.map(outcomeOf))
    expect(outcomes).toEqual(calls.map(() => 'SyntaxError'))
    expect(await keysOf(store, 'keys/')).toEqual(['keys/there'])
    expect(await store.get(blob)).toBe(undefined)
  })

  test('leaves all or nothing of a write that is aborted on its way', async () => {
    const store = await create()
    const large = patterned(largeBytes)
    const abort = new AbortController()
    const writing = outcomeOf(store.put(blobOf(large), [large], { signal: abort.signal }))
    setImmediate(() => abort.abort(new SyntaxError('the reason')))
    const outcome = await writing
    expect(['SyntaxError', 'no error'].includes(outcome)).toBe(true)
    const found = await store.get(blobOf(large))
    expect(found === undefined || Buffer.compare(found, large) === 0).toBe(true)
    await store.put(blobOf(large), [large])
    expect((await store.stat(blobOf(large)))?.size).toBe(largeBytes)
  })
}

function blobOf(bytes: Uint8Array): string {
  return `blobs/sha256/${createHash('sha256').update(bytes).digest('hex')}`
}

/** Bytes of which no part is like another. */
function patterned(length: number): Buffer {
  const bytes = Buffer.alloc(length)
  for (let at = 0; at + 4 <= length; at += 4) bytes.writeUInt32LE((at * 2_654_435_761) % 2 ** 32, at)
  return bytes
}

async function inTurns<T>(items: readonly T[], act: (item: T) => Promise<unknown>): Promise<void> {
  for (let at = 0; at < items.length; at += 8) await Promise.all(items.slice(at, at + 8).map(act))
}

async function keysOf(store: BlobStore, prefix: string): Promise<string[]> {
  return (await collected(store.list(prefix))).map(({ key }) => key).sort()
}

async function collected<T>(items: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = []
  for await (const item of items) all.push(item)
  return all
}

/** A holdfast error's code, another error's name. */
async function outcomeOf(operation: Promise<unknown>): Promise<string> {
  return operation.then(
    () => 'no error',
    (error: Error & { code?: string }) => (error.name === 'HoldfastError' ? String(error.code) : error.name),
  )
}

function text(bytes: Uint8Array | undefined): string | undefined {
  return bytes && Buffer.from(bytes).toString()
}
