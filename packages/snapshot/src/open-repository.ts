import { availableParallelism } from 'node:os'
import { type Clock, checkInteger, checkMethods, systemClock } from '@holdfast/core'
import { createCut, defaultSizes } from './chunks/chunker.ts'
import { type Compression, checkCompression } from './chunks/codec.ts'
import { snapshotError } from './errors.ts'
import {
  decodeFormat,
  encodeFormat,
  type Format,
  formatKey,
  formatVersion,
  layoutKey,
  ociLayout,
} from './format/layout.ts'
import {
  checkRepositoryKey,
  createMaster,
  type RepositoryKey,
  readMaster,
  writeSlot,
} from './keys/key-slots.ts'
import { createKeys, keyCheck, plainKeys } from './keys/keys.ts'
import { createObjects } from './objects.ts'
import { createRepository } from './operations.ts'
import type { Repository } from './repository.ts'
import { type BlobStore, blobStoreMethods } from './store/store.ts'

export interface RepositoryOptions {
  /** Whether to make a repository where there is none; else that is REPOSITORY_NOT_FOUND. @default true */
  create?: boolean
  /**
   * Encrypts a repository that is made, and opens one that is encrypted: a passphrase of at
   * least 8 characters, 32 random bytes, or a provider. What opens one repository is of no
   * use to another. Who has had the master key, as every process that opened it, can read
   * all that was and will be stored: then only a new repository helps.
   */
  key?: RepositoryKey
  /** What nothing points to is kept for at least twice this long; set for good when the repository is made. In milliseconds, ≥ 1. @default 86_400_000 */
  graceMs?: number
  /**
   * How what this process stores is compressed. `zstd` is quicker and smaller, and makes what only Node 22.15
   * and later can read; others say REPOSITORY_UNSUPPORTED. One repository may hold both. @default 'brotli'
   */
  compression?: Compression
  /** How many threads a backup, a verification or a restore of much starts, which end with it, 0 to 64. @default one for each core, at most 4 */
  threads?: number
  /** @default systemClock */
  clock?: Clock
}

/** Opens the repository in a store, or makes one there. Rejects with REPOSITORY_NOT_FOUND, REPOSITORY_UNSUPPORTED or STORE_FAILED. */
export async function openRepository(store: BlobStore, options: RepositoryOptions = {}): Promise<Repository> {
  const { clock = systemClock } = options
  const threads = checkInteger('threads', options.threads ?? Math.min(4, availableParallelism()), {
    min: 0,
    max: 64,
  })
  const compression = checkCompression(options.compression ?? 'brotli')
  checkMethods('store', store, blobStoreMethods)
  if (options.key !== undefined) checkRepositoryKey('key', options.key)
  const format = (await readFormat(store)) ?? (await makeFormat(store, options))
  const master =
    format.keyCheck === undefined ? undefined : await readMaster(store, options.key, format.keyCheck)
  if (!master && options.key !== undefined)
    throw snapshotError(
      'REPOSITORY_KEY',
      `the repository in ${store.description} is not encrypted, and a key was given`,
    )
  const keys = master ? createKeys(master) : plainKeys
  const context = {
    store,
    format,
    keys,
    objects: createObjects(store, keys),
    cut: createCut(keys.chunkerKey, format.chunker),
    clock,
    threads,
    compression,
  }
  return createRepository(context, master)
}

async function readFormat(store: BlobStore): Promise<Format | undefined> {
  const bytes = await store.get(formatKey)
  return bytes && decodeFormat(bytes)
}

/** Of several who make one at the same time, one wins and the others use its format. */
async function makeFormat(store: BlobStore, options: RepositoryOptions): Promise<Format> {
  const { create = true, graceMs = 86_400_000, key } = options
  if (!create)
    throw snapshotError('REPOSITORY_NOT_FOUND', `there is no repository in ${store.description}`, {
      fields: { store: store.description },
    })
  const master = key === undefined ? undefined : createMaster()
  const format: Format = {
    version: formatVersion,
    minReader: formatVersion,
    minWriter: formatVersion,
    graceMs: checkInteger('graceMs', graceMs, { min: 1 }),
    chunker: defaultSizes,
    idKeyed: master !== undefined,
    ...(master && { keyCheck: keyCheck(master) }),
  }
  // The slot before the format: a repository whose key no slot holds would be lost.
  const slot = master && key !== undefined ? await writeSlot(store, key, master) : undefined
  await store.put(layoutKey, [ociLayout], { ifAbsent: true })
  if (await store.put(formatKey, [encodeFormat(format)], { ifAbsent: true })) return format
  if (slot !== undefined && store.supports.delete) await store.delete(slot)
  return (await readFormat(store)) ?? format
}
