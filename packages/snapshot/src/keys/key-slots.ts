import { createCipheriv, createDecipheriv, randomBytes, scrypt } from 'node:crypto'
import { checkInteger, checkString } from '@holdfast/core'
import { uniqueId } from '../durable.ts'
import { snapshotError } from '../errors.ts'
import { parseObject } from '../format/tree.ts'
import type { BlobStore } from '../store/store.ts'
import { keyCheck, sha256 } from './keys.ts'

/** A host's own keeper of secrets, such as a KMS or a TPM: wraps the repository's master key and unwraps it. */
export interface KeyProvider {
  /** Tells this provider's slots from those of others: the name of the key that wraps. */
  readonly id: string
  wrap(master: Uint8Array): Promise<Uint8Array>
  /** Rejects where it cannot. */
  unwrap(wrapped: Uint8Array): Promise<Uint8Array>
}

/** A passphrase, 32 random bytes, or a provider. */
export type RepositoryKey = string | Uint8Array | KeyProvider

interface Slot {
  readonly kind: 'passphrase' | 'bytes' | 'provider'
  /** Base64, like all bytes here. */
  readonly wrapped: string
  readonly provider?: string
  readonly scrypt?: { readonly N: number; readonly r: number; readonly p: number; readonly salt: string }
}

export const slotPrefix = 'keys/'
/** 64 MiB of memory for each try. RFC 7914 tells what the numbers mean. */
const scryptCost = { N: 2 ** 16, r: 8, p: 1 }
const masterBytes = 32

export function checkRepositoryKey(option: string, key: RepositoryKey): RepositoryKey {
  if (typeof key === 'string' && key.length >= 8) return key
  if (key instanceof Uint8Array && key.length === masterBytes) return key
  if (typeof key === 'object' && !(key instanceof Uint8Array) && typeof key?.unwrap === 'function') return key
  throw new TypeError(`${option} must be a passphrase of at least 8 characters, 32 bytes, or a KeyProvider`)
}

export function createMaster(): Uint8Array {
  return randomBytes(masterBytes)
}

/** Keeps the master key under one more key; resolves to the slot's object key. */
export async function writeSlot(store: BlobStore, key: RepositoryKey, master: Uint8Array): Promise<string> {
  const slot = JSON.stringify(await wrap(key, master))
  const object = `${slotPrefix}${uniqueId()}`
  const body = { version: 1, slot, sha256: sha256(Buffer.from(slot)) }
  await store.put(object, [Buffer.from(JSON.stringify(body))], { ifAbsent: true })
  return object
}

/** Takes a slot away; a RangeError for the last one. */
export async function removeSlot(store: BlobStore, slot: string): Promise<void> {
  const slots: string[] = []
  for await (const { key } of store.list(slotPrefix)) slots.push(key)
  const key = `${slotPrefix}${checkString('slot', slot)}`
  if (slots.every((other) => other === key))
    throw new RangeError('slot is the last one: without it all is lost')
  await store.delete(key)
}

/** Finds the slot that this key opens. Rejects with REPOSITORY_KEY where there is none, and OBJECT_CORRUPT where none is left whole. */
export async function readMaster(
  store: BlobStore,
  key: RepositoryKey | undefined,
  check: string,
): Promise<Uint8Array> {
  if (key === undefined) throw noKey(store, 'is encrypted, and no key was given')
  let damaged: unknown
  for await (const { key: object } of store.list(slotPrefix)) {
    const slot = await readSlot(store, object).catch((error: unknown) => {
      damaged = error
      return undefined
    })
    const master = slot && (await unwrap(key, slot))
    if (master && keyCheck(master) === check) return master
  }
  throw damaged ?? noKey(store, 'has no slot that this key opens')
}

async function readSlot(store: BlobStore, object: string): Promise<Slot | undefined> {
  const bytes = await store.get(object)
  if (!bytes) return undefined
  const body = parseObject(bytes)
  const slot = body['slot']
  if (typeof slot !== 'string' || sha256(Buffer.from(slot)) !== body['sha256'])
    throw snapshotError('OBJECT_CORRUPT', `the key slot ${object} in ${store.description} is damaged`, {
      fields: { key: object },
    })
  return JSON.parse(slot) as Slot
}

async function wrap(key: RepositoryKey, master: Uint8Array): Promise<Slot> {
  if (typeof key === 'string') {
    const cost = { ...scryptCost, salt: randomBytes(16).toString('base64') }
    return { kind: 'passphrase', wrapped: seal(await stretch(key, cost), master), scrypt: cost }
  }
  if (key instanceof Uint8Array) return { kind: 'bytes', wrapped: seal(key, master) }
  return {
    kind: 'provider',
    provider: key.id,
    wrapped: Buffer.from(await key.wrap(master)).toString('base64'),
  }
}

/** The master key, or undefined where the slot is not this key's. */
async function unwrap(key: RepositoryKey, slot: Slot): Promise<Uint8Array | undefined> {
  if (typeof key === 'string') return slot.scrypt && unseal(await stretch(key, slot.scrypt), slot.wrapped)
  if (key instanceof Uint8Array) return slot.kind === 'bytes' ? unseal(key, slot.wrapped) : undefined
  return slot.provider === key.id ? key.unwrap(Buffer.from(slot.wrapped, 'base64')) : undefined
}

function stretch(passphrase: string, { N, r, p, salt }: NonNullable<Slot['scrypt']>): Promise<Uint8Array> {
  // A slot that asks for more memory than this is an attack on who opens it.
  checkInteger('slot.scrypt.N', N, { min: 2, max: 2 ** 20 })
  checkInteger('slot.scrypt.r', r, { min: 1, max: 16 })
  checkInteger('slot.scrypt.p', p, { min: 1, max: 8 })
  const options = { N, r, p, maxmem: 256 * N * r }
  return new Promise((resolve, reject) =>
    scrypt(passphrase.normalize('NFKC'), Buffer.from(salt, 'base64'), masterBytes, options, (error, key) =>
      error ? reject(error) : resolve(key),
    ),
  )
}

function seal(key: Uint8Array, master: Uint8Array): string {
  const nonce = randomBytes(12)
  const cipher = createCipheriv('aes-256-gcm', key, nonce)
  return Buffer.concat([nonce, cipher.update(master), cipher.final(), cipher.getAuthTag()]).toString('base64')
}

function unseal(key: Uint8Array, wrapped: string): Uint8Array | undefined {
  const bytes = Buffer.from(wrapped, 'base64')
  try {
    const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, 12), { authTagLength: 16 })
    decipher.setAuthTag(bytes.subarray(-16))
    return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()])
  } catch {
    return undefined // It is the slot of another key.
  }
}

function noKey(store: BlobStore, problem: string): Error {
  return snapshotError('REPOSITORY_KEY', `the repository in ${store.description} ${problem}`)
}
