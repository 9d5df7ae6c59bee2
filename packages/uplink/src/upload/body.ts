import type { BigIntStats } from 'node:fs'
import { open, stat } from 'node:fs/promises'
import { uplinkError } from '../errors.ts'
import type { UploadBody } from './types.ts'

/**
 * A file as it is now. Should it change or be replaced, reading fails, and an
 * upload that was begun does not go on with the new content: no mixture arrives.
 */
export async function fileBody(path: string): Promise<UploadBody> {
  const found = await stat(path, { bigint: true })
  const version = versionOf(found)
  return { size: Number(found.size), version, read: (offset) => readUnchanged(path, version, offset) }
}

async function* readUnchanged(path: string, version: string, offset: number): AsyncGenerator<Uint8Array> {
  const file = await open(path)
  try {
    for await (const bytes of file.createReadStream({ start: offset, autoClose: false })) {
      // Looked at after the reading: what is handed on was read while the file was what it was.
      if (versionOf(await file.stat({ bigint: true })) !== version) throw new Error(`${path} has changed`)
      yield bytes as Buffer
    }
  } finally {
    await file.close()
  }
}

function versionOf({ ino, size, mtimeNs }: BigIntStats): string {
  return `${ino}-${size}-${mtimeNs}`
}

/** Bytes in memory. */
export function bytesBody(bytes: Uint8Array, version: string): UploadBody {
  return {
    size: bytes.length,
    version,
    async *read(offset) {
      yield bytes.subarray(offset)
    },
  }
}

/** Exactly `length` bytes from `offset` on, in pieces small enough to tell progress by; `sent` holds back the next one. Throws where they cannot be read. */
export async function* readChunk(
  body: UploadBody,
  offset: number,
  length: number,
  sent: (bytes: number) => Promise<void>,
): AsyncGenerator<Uint8Array> {
  let left = length
  for await (const bytes of readable(body, offset)) {
    for (let at = 0; at < bytes.length && left > 0; at += pieceBytes) {
      const piece = bytes.subarray(at, at + Math.min(pieceBytes, left))
      yield piece
      left -= piece.length
      await sent(piece.length)
    }
    if (left === 0) return
  }
  throw bodyFailed(body, `ended ${left} bytes early`)
}

async function* readable(body: UploadBody, offset: number): AsyncGenerator<Uint8Array> {
  try {
    yield* body.read(offset)
  } catch (cause) {
    throw bodyFailed(body, 'could not be read', cause)
  }
}

function bodyFailed({ size, version }: UploadBody, what: string, cause?: unknown): Error {
  return uplinkError(
    'UPLOAD_BODY_FAILED',
    `The body of ${size} bytes ${what}; upload it anew as what it is now`,
    {
      fields: { size, version },
      ...(cause === undefined ? {} : { cause }),
    },
  )
}

const pieceBytes = 64 * 1024
