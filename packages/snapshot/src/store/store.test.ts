import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { folderStore, memoryStore } from '../index.ts'
import { blobStoreCompliance } from '../testing/index.ts'

let folder: string
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-store-'))
})
afterAll(() => rm(folder, { recursive: true, force: true }))

describe('memoryStore', () => {
  blobStoreCompliance({ test, expect, create: async () => memoryStore() })
})

describe('folderStore', () => {
  blobStoreCompliance({ test, expect, create: async () => folderStore(await mkdtemp(join(folder, 's-'))) })
})

test('a folder may hold what is no object of ours', async () => {
  const path = await mkdtemp(join(folder, 's-'))
  await mkdir(join(path, 'keys/.git'), { recursive: true })
  for (const name of ['keys/a', 'keys/a b', 'keys/.hidden', 'keys/.git/config', 'README ä'])
    await writeFile(join(path, name), name)
  const keys: string[] = []
  for await (const { key } of folderStore(path).list('')) keys.push(key)
  expect(keys).toEqual(['keys/a'])
})
