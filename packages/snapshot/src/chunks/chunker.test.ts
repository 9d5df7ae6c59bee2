import { createSeededRandom } from '@holdfast/core/testing'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeTrailer, encodeTrailer, packHeaderBytes } from '../format/pack.ts'
import { sha256 } from '../keys/keys.ts'
import { createChunkIndex } from './chunk-index.ts'
import { createCut, defaultSizes } from './chunker.ts'

const sizes = { minBytes: 256, averageBytes: 1_024, maxBytes: 4_096 }

function noise(length: number, seed: number): Buffer {
  const random = createSeededRandom(seed)
  return Buffer.from(Array.from({ length }, () => random() * 256))
}

function chunks(bytes: Uint8Array, cut = createCut(undefined, sizes)): string[] {
  const found: string[] = []
  for (let start = 0; start < bytes.length; ) {
    const length = cut(bytes, start, bytes.length)
    found.push(sha256(bytes.subarray(start, start + length)))
    start += length
  }
  return found
}

test('cuts are within the limits, of about the average, and the same wherever the buffer begins', () => {
  fc.assert(
    fc.property(fc.nat(1_000), fc.integer({ min: 1, max: 60_000 }), fc.nat(50), (seed, length, shift) => {
      const bytes = noise(length, seed)
      const cut = createCut(undefined, sizes)
      const shifted = Buffer.concat([Buffer.alloc(shift, 1), bytes])
      for (let start = 0; start < length; ) {
        const one = cut(bytes, start, length)
        expect(one).toBe(cut(shifted, start + shift, length + shift))
        expect(one).toBeLessThanOrEqual(sizes.maxBytes)
        expect(one).toBeGreaterThanOrEqual(Math.min(sizes.minBytes, length - start))
        start += one
      }
    }),
  )
  const average = 2_000_000 / chunks(noise(2_000_000, 5)).length
  expect(Math.abs(Math.log2(average / sizes.averageBytes))).toBeLessThan(0.5)
})

test('an insertion changes few chunks, and another key cuts elsewhere', () => {
  const before = noise(200_000, 9)
  const after = Buffer.concat([before.subarray(0, 70_000), Buffer.from('inserted'), before.subarray(70_000)])
  const old = new Set(chunks(before))
  expect(chunks(after).filter((id) => !old.has(id)).length).toBeLessThan(6)
  const keyed = chunks(before, createCut(Buffer.alloc(32, 1), sizes))
  expect(keyed.filter((id) => old.has(id)).length).toBeLessThan(5)
})

test('the cuts are those of the format: another table or mask would find no old chunk again', () => {
  const cut = createCut(undefined, defaultSizes)
  const bytes = noise(6_000_000, 42)
  const lengths: number[] = []
  for (let start = 0; start < bytes.length; start += lengths.at(-1)!)
    lengths.push(cut(bytes, start, bytes.length))
  expect(lengths).toMatchInlineSnapshot(`
    [
      584517,
      1422584,
      1599548,
      1084240,
      1309111,
    ]
  `)
})

test('an index finds every chunk that was added, first come, and no other', () => {
  const index = createChunkIndex()
  const ids = Array.from({ length: 5_000 }, (_, number) => sha256(Buffer.from(String(number))))
  ids.forEach((id, at) => {
    const entry = { id, offset: at, storedLength: at + 1, length: at + 2, codec: at % 2, ordinal: at }
    index.add({ pack: `pack${at % 7}`, size: at % 7, entries: [entry] })
    index.add({ pack: 'later', size: 1, entries: [entry] })
  })
  expect(index.size).toBe(5_000)
  ids.forEach((id, at) => {
    const wanted = {
      pack: `pack${at % 7}`,
      packBytes: at % 7,
      offset: at,
      storedLength: at + 1,
      length: at + 2,
    }
    expect(index.find(id)).toEqual({ id, ...wanted, codec: at % 2, ordinal: at })
  })
  expect(index.find(sha256(Buffer.from('none')))).toBe(undefined)
})

test('a trailer comes back as it went', () => {
  const lengths = fc.array(fc.integer({ min: 0, max: 2 ** 20 }), { maxLength: 20 })
  fc.assert(
    fc.property(lengths, (stored) => {
      let offset = packHeaderBytes
      const entries = stored.map((storedLength, ordinal) => {
        const entry = {
          id: sha256(Buffer.of(ordinal)),
          offset,
          storedLength,
          length: storedLength * 2,
          codec: 1,
          ordinal,
        }
        offset += storedLength
        return entry
      })
      const trailer = encodeTrailer(entries)
      expect(decodeTrailer(trailer, offset + trailer.length)).toEqual(entries)
      expect(() => decodeTrailer(trailer, offset + trailer.length + 1)).toThrow()
    }),
  )
})
