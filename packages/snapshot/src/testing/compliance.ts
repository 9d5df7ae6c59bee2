import type { BlobStore } from '../store/store.ts'

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
  /** What the store promises. @default all of it */
  supports?: {
    /** Of several writers with `ifAbsent` exactly one wins. */
    atomicIfAbsent?: boolean
    /** `list` tells blobs, sizes and times. */
    listsBlobs?: boolean
  }
}

const hello = Buffer.from('hello, world')
const blob = 'blobs/sha256/09ca7e4eaa6e8ae9c7d261167129184883644d07dfba7cbfbc4c8a2e08360d5b'

/** What every blob store must do for a repository to be safe on it. */
export function blobStoreCompliance({ test, expect, create, supports = {} }: BlobStoreSuite): void {
  const { atomicIfAbsent = true, listsBlobs = true } = supports

  test('gives back what was put, whole and in parts', async () => {
    const store = await create()
    expect(await store.put(blob, [hello.subarray(0, 5), hello.subarray(5)])).toBe(true)
    expect(text(await store.get(blob))).toBe('hello, world')
    expect(text(await store.get(blob, { offset: 7 }))).toBe('world')
    expect(text(await store.get(blob, { offset: 7, length: 3 }))).toBe('wor')
    expect(text(await store.get(blob, { offset: 7, length: 300 }))).toBe('world')
    expect((await store.stat(blob))?.size).toBe(12)
  })

  test('tells what is not there', async () => {
    const store = await create()
    expect(await store.get(blob)).toBe(undefined)
    expect(await store.get('keys/none')).toBe(undefined)
    expect(await store.stat(blob)).toBe(undefined)
    expect(await keysOf(store, 'refs/')).toEqual([])
  })

  test('writes only where nothing is, when told to', async () => {
    const store = await create()
    const put = (value: string) => store.put('format.json', [Buffer.from(value)], { ifAbsent: true })
    if (atomicIfAbsent) {
      const won = await Promise.all(Array.from({ length: 16 }, (_, writer) => put(`writer ${writer}`)))
      expect(won.filter(Boolean).length).toBe(1)
      expect(text(await store.get('format.json'))).toBe(`writer ${won.indexOf(true)}`)
    } else expect(await put('first')).toBe(true)
    const first = text(await store.get('format.json'))
    expect(await put('later')).toBe(false)
    expect(text(await store.get('format.json'))).toBe(first)
  })

  test('replaces an object whole', async () => {
    const store = await create()
    await store.put('keys/a', [Buffer.from('a longer first value')])
    await store.put('keys/a', [Buffer.from('second')])
    expect(text(await store.get('keys/a'))).toBe('second')
  })

  test('lists by prefix', async () => {
    const store = await create()
    for (const key of ['keys/a', 'keys/b', 'keysx']) await store.put(key, [Buffer.from(key)])
    expect(await keysOf(store, 'keys/')).toEqual(['keys/a', 'keys/b'])
    expect(await keysOf(store, 'keys/a')).toEqual(['keys/a'])
    if (!listsBlobs) return
    await store.put(blob, [hello])
    for await (const { size, modifiedMs } of store.list('blobs/')) {
      expect(size).toBe(12)
      // A clock of file times may be coarse, but both are of the same one.
      expect(Math.abs((await store.now()) - modifiedMs)).toBeLessThanOrEqual(60_000)
    }
  })

  test('holds an empty object and a large one', async () => {
    const store = await create()
    await store.put('keys/empty', [])
    expect((await store.get('keys/empty'))?.length).toBe(0)
    const large = Buffer.alloc(5 << 20, 'holdfast')
    await store.put('keys/large', [large.subarray(0, 1 << 20), large.subarray(1 << 20)])
    expect(Buffer.compare((await store.get('keys/large'))!, large)).toBe(0)
  })

  test('deletes, if it can, and does not mind what is not there', async () => {
    const store = await create()
    if (!store.supports.delete) return
    await store.put(blob, [hello])
    await store.delete(blob)
    await store.delete(blob)
    expect(await store.get(blob)).toBe(undefined)
  })

  test('is never led outside', async () => {
    const store = await create()
    for (const key of ['../up', '/etc/passwd', 'a/../../b', 'a//b', '.hidden', 'a/.b', '', 'a\0b', 'a\\b'])
      expect(await outcomeOf(store.put(key, [hello]))).toBe('RangeError')
  })

  test('ends early on abort', async () => {
    const store = await create()
    const signal = AbortSignal.abort(new SyntaxError('the reason'))
    expect(await outcomeOf(store.put(blob, [hello], { signal }))).toBe('SyntaxError')
    expect(await outcomeOf(store.get(blob, { signal }))).toBe('SyntaxError')
  })
}

async function keysOf(store: BlobStore, prefix: string): Promise<string[]> {
  const keys: string[] = []
  for await (const { key } of store.list(prefix)) keys.push(key)
  return keys.sort()
}

async function outcomeOf(operation: Promise<unknown>): Promise<string> {
  return operation.then(
    () => 'no error',
    (error: Error) => error.name,
  )
}

function text(bytes: Uint8Array | undefined): string | undefined {
  return bytes && Buffer.from(bytes).toString()
}
