import { createReadStream } from 'node:fs'
import { stat } from 'node:fs/promises'
import { uplinkError } from './errors.ts'
import type { UploadBody } from './upload-types.ts'

/** A file as it is now: should it change, an upload that was begun does not go on with the new content. */
export async function fileBody(path: string): Promise<UploadBody> {
  const { size, mtimeNs, ino } = await stat(path, { bigint: true })
  return {
    size: Number(size),
    version: `${ino}-${mtimeNs}`,
    read: (offset) => createReadStream(path, { start: offset }) as AsyncIterable<Uint8Array>,
  }
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

/** Exactly `length` bytes from `offset` on, in pieces small enough to tell progress by. Throws where they cannot be read. */
export async function* readChunk(
  body: UploadBody,
  offset: number,
  length: number,
  sent: () => void,
): AsyncGenerator<Uint8Array> {
  let left = length
  for await (const bytes of readable(body, offset)) {
    for (let at = 0; at < bytes.length && left > 0; at += pieceBytes) {
      const piece = bytes.subarray(at, at + Math.min(pieceBytes, left))
      yield piece
      left -= piece.length
      sent()
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
