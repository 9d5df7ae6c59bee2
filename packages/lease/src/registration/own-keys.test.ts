import { createMemoryStore, type Entry } from '@holdfast/coordination'
import { createFakeClock, createSeededRandom } from '@holdfast/core/testing'
import { expect, onTestFinished, test } from 'vitest'
import type { SessionParts } from '../session/parts.ts'
import { createOwnKeys } from './own-keys.ts'

async function setUp() {
  const clock = createFakeClock()
  const store = createMemoryStore({ clock })
  const closing = new AbortController()
  const told: { key: string; value: string | undefined }[] = []
  const fail = (error: unknown) => expect.fail(String(error))
  const parts = {
    ...{ store, clock, random: createSeededRandom(1), closing: closing.signal, fail },
    backoff: { minMs: 1, maxMs: 1, factor: 1, jitter: 'none' },
  } as unknown as SessionParts
  const ownKeys = createOwnKeys(parts, (key, entry) => told.push({ key, value: text(entry) }))
  onTestFinished(async () => {
    closing.abort()
    await ownKeys.close()
    await store.close()
  })
  const put = (key: string) => store.transact({ then: [{ kind: 'put', key, value: Buffer.from('there') }] })
  return { ownKeys, told, put, settled: () => clock.advance(1) }
}

function text(entry: Entry | undefined): string | undefined {
  return entry && Buffer.from(entry.value).toString()
}

test('a key that is watched is told of when it changes, and not again when it is to be watched again', async () => {
  const { ownKeys, told, put, settled } = await setUp()
  ownKeys.watch('edge/a')
  await settled()
  expect(told.splice(0)).toEqual([{ key: 'edge/a', value: undefined }])
  await put('edge/a')
  await settled()
  expect(told.splice(0)).toEqual([{ key: 'edge/a', value: 'there' }])
  // What a view knows may be old: who acts on it and then asks again would act on it for ever.
  ownKeys.watch('edge/a')
  await settled()
  expect(told).toEqual([])
})

test('a key that comes under a prefix that is watched is told of at once', async () => {
  const { ownKeys, told, put, settled } = await setUp()
  for (let n = 0; n < 17; n += 1) ownKeys.watch(`edge/${n}`)
  await put('edge/new')
  await settled()
  told.length = 0
  ownKeys.watch('edge/new')
  expect(told).toEqual([{ key: 'edge/new', value: 'there' }])
})
