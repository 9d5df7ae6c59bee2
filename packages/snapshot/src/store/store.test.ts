import { mkdtemp, rm } from 'node:fs/promises'
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
