import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  createSecretKey,
  hkdfSync,
} from 'node:crypto'
import { snapshotError } from '../errors.ts'

/** What a repository derives from its master key, or does without one. */
export interface Keys {
  readonly encrypted: boolean
  /** Keys the chunker's gear table. */
  readonly chunkerKey: Uint8Array | undefined
  /** Of chunk ids, for `createChunkId` in another thread. */
  readonly idKey: Uint8Array | undefined
  /** A chunk's id: SHA-256 of its content, or HMAC-SHA-256 where there is a key. 64 hexadecimal digits. */
  chunkId(content: Uint8Array): string
  /** The key of one pack, derived by HKDF (RFC 5869) from the master key with the pack's salt; undefined without a master. */
  packKey(salt: Uint8Array): Uint8Array | undefined
  /** The cipher of one pack, of that key. */
  packCipher(salt: Uint8Array): PackCipher
  /** Tells who had the key apart from who had not; undefined without a key. */
  seal(record: string): string | undefined
}

export interface PackCipher {
  /** `ordinal` is the chunk's place in its pack, from 0, never used twice: it is the nonce. */
  encrypt(ordinal: number, label: Uint8Array, bytes: Uint8Array): readonly Uint8Array[]
  /** Throws OBJECT_CORRUPT where the bytes, the label or the key are not the ones that were used. */
  decrypt(ordinal: number, label: Uint8Array, bytes: Uint8Array): Uint8Array
}

/** What each encrypted chunk grows by, in bytes. */
export const tagBytes = 16

export function sha256(...parts: readonly Uint8Array[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(part)
  return hash.digest('hex')
}

/** Of what a chunk's id is: SHA-256 of its content, or HMAC-SHA-256 with a key. */
export function createChunkId(idKey: Uint8Array | undefined): Keys['chunkId'] {
  if (!idKey) return (content) => sha256(content)
  const secret = createSecretKey(idKey) // With bytes as the key, Node 24 takes six times as long.
  return (content) => createHmac('sha256', secret).update(content).digest('hex')
}

const plainCipher: PackCipher = {
  encrypt: (_ordinal, _label, bytes) => [bytes],
  decrypt: (_ordinal, _label, bytes) => bytes,
}

export const plainKeys: Keys = {
  encrypted: false,
  chunkerKey: undefined,
  idKey: undefined,
  chunkId: createChunkId(undefined),
  packKey: () => undefined,
  packCipher: () => plainCipher,
  seal: () => undefined,
}

/** Tells one master key from another, and nothing else of it. */
export function keyCheck(master: Uint8Array): string {
  return Buffer.from(derive(master, 'holdfast key check')).toString('hex')
}

export function createKeys(master: Uint8Array): Keys {
  const idKey = derive(master, 'holdfast chunk id')
  const sealKey = derive(master, 'holdfast record')
  const packKey = (salt: Uint8Array): Uint8Array => derive(master, 'holdfast pack', salt)
  return {
    encrypted: true,
    chunkerKey: derive(master, 'holdfast chunker'),
    idKey,
    chunkId: createChunkId(idKey),
    packKey,
    packCipher: (salt) => createPackCipher(packKey(salt)),
    seal: (record) => createHmac('sha256', sealKey).update(record).digest('hex'),
  }
}

export function createPackCipher(key: Uint8Array | undefined): PackCipher {
  if (!key) return plainCipher
  const secret = createSecretKey(key)
  return {
    encrypt(ordinal, label, bytes) {
      const cipher = createCipheriv('aes-256-gcm', secret, nonceOf(ordinal)).setAAD(label)
      return [cipher.update(bytes), cipher.final(), cipher.getAuthTag()]
    },
    decrypt(ordinal, label, bytes) {
      const end = bytes.length - tagBytes
      try {
        const decipher = createDecipheriv('aes-256-gcm', secret, nonceOf(ordinal), {
          authTagLength: tagBytes,
        })
        decipher.setAAD(label).setAuthTag(bytes.subarray(end))
        const content = decipher.update(bytes.subarray(0, end))
        decipher.final() // Throws where any of it is wrong.
        return content
      } catch (cause) {
        throw snapshotError('OBJECT_CORRUPT', 'a chunk fails its authentication', { cause })
      }
    },
  }
}

function derive(master: Uint8Array, info: string, salt: Uint8Array = new Uint8Array()): Uint8Array {
  return new Uint8Array(hkdfSync('sha256', master, salt, info, 32))
}

function nonceOf(ordinal: number): Uint8Array {
  const nonce = Buffer.alloc(12)
  nonce.writeUInt32BE(ordinal, 8)
  return nonce
}
