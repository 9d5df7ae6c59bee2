import { randomBytes } from 'node:crypto'
import zlib from 'node:zlib'
import { describe, expect, test } from 'vitest'
import { createChunkIndex } from './chunk-index.ts'
import {
  type Compression,
  canRead,
  checkCompression,
  codecs,
  compress,
  compressSync,
  decompress,
  decompressSync,
} from './codec.ts'

const here: Compression[] = canRead(codecs.zstd) ? ['brotli', 'zstd'] : ['brotli']
const text = (bytes: number): Buffer => Buffer.alloc(bytes, 'a line of a log, and another one\n')
/** 'a line of text\n' ten times, as level 1 of zstd makes it. */
const frame = Buffer.from('28b52ffd2096b500007861206c696e65206f6620746578740a010004a1661d', 'hex')

describe.each(here)('%s', (compression) => {
  test.each([64, 1_000, 98_304, 262_144, 4 << 20, 24 << 20])(
    '%i bytes of text come back, either way',
    async (bytes) => {
      const [one, other] = [await compress(compression, text(bytes)), compressSync(compression, text(bytes))]
      expect([one.codec, other.codec]).toEqual([codecs[compression], codecs[compression]])
      expect(Math.max(one.bytes.length, other.bytes.length)).toBeLessThan(bytes)
      expect(text(bytes).equals(await decompress(one.codec, one.bytes, bytes))).toBe(true)
      expect(text(bytes).equals(decompressSync(one.codec, one.bytes, bytes))).toBe(true)
    },
  )

  test.each([0, 63, 64, 100_000, 1 << 20])('%i bytes of noise are stored as they are', async (bytes) => {
    const noise = randomBytes(bytes)
    for (const { codec, bytes: stored } of [
      await compress(compression, noise),
      compressSync(compression, noise),
    ]) {
      expect(codec).toBe(codecs.stored)
      expect(noise.equals(stored)).toBe(true)
    }
  })

  test('more than was said is refused, and so is what was cut or changed', async () => {
    const { codec, bytes } = compressSync(compression, text(100_000))
    await expect(decompress(codec, bytes, 99_999)).rejects.toMatchObject({ code: 'ERR_BUFFER_TOO_LARGE' })
    expect(() => decompressSync(codec, bytes, 10)).toThrow()
    // Where less came, Node 22 says nothing with zstd: who asks compares the lengths.
    const lengthOf = (part: Uint8Array): number => decompressSync(codec, part, 100_000).length
    for (const length of [0, 1, bytes.length >> 1, bytes.length - 1])
      expect(() => expect(lengthOf(bytes.subarray(0, length))).toBe(100_000)).toThrow()
  })
})

test('only what this Node reads is chosen, and nothing else that it is given', () => {
  expect(() => checkCompression('gzip')).toThrow(TypeError)
  for (const compression of ['brotli', 'zstd'] as const)
    if (here.includes(compression)) expect(checkCompression(compression)).toBe(compression)
    else
      expect(() => checkCompression(compression)).toThrow(
        expect.objectContaining({
          code: 'REPOSITORY_UNSUPPORTED',
          message: expect.stringContaining('22.15'),
        }),
      )
})

test.runIf(here.includes('zstd'))('a frame that asks for a window of more than 4 MiB gets none', () => {
  type Compress = (bytes: Uint8Array, options: object) => Buffer
  const { zstdCompressSync, constants } = zlib as unknown as {
    zstdCompressSync: Compress
    constants: Record<'ZSTD_c_windowLog', number>
  }
  const bytes = text(6 << 20)
  const frameOf = (log: number): Buffer =>
    zstdCompressSync(bytes, { params: { [constants.ZSTD_c_windowLog]: log } })
  // Where all of it fits the output, none is needed.
  for (const [log, code] of [
    [22, 'ERR_BUFFER_TOO_LARGE'],
    [25, 'ZSTD_error_frameParameter_windowTooLarge'],
  ] as const)
    expect(() => decompressSync(codecs.zstd, frameOf(log), 1_000)).toThrow(expect.objectContaining({ code }))
})

test.each([2, 3, 255])('codec %i is read, or said to be of another release or Node', (codec) => {
  if (canRead(codec)) expect(decompressSync(codec, frame, 150).toString()).toBe('a line of text\n'.repeat(10))
  else
    expect(() => decompressSync(codec, frame, 150)).toThrow(
      expect.objectContaining({ code: 'REPOSITORY_UNSUPPORTED', fields: { codec } }),
    )
})

test('of two places of a chunk the first is taken that can be read here', () => {
  const index = createChunkIndex()
  const id = 'ab'.repeat(32)
  const entry = { id, offset: 1, storedLength: 2, length: 3, ordinal: 0 }
  const add = (pack: string, codec: number) => index.add({ pack, size: 9, entries: [{ ...entry, codec }] })
  for (const [pack, codec, found] of [
    ['a', 254, 'a'],
    ['b', 255, 'a'],
    ['c', codecs.brotli, 'c'],
    ['d', codecs.stored, 'c'],
  ] as const) {
    add(pack, codec)
    expect(index.find(id)).toMatchObject({ pack: found })
    expect(index.size).toBe(1)
  }
})
