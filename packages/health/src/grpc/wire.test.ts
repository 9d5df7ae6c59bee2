import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse, servingStatus } from './wire.ts'

test('what is written is read, and fields of a later protocol are skipped', () => {
  const later = Buffer.from([
    0x10, 0x96, 0x01, 0x19, 1, 2, 3, 4, 5, 6, 7, 8, 0x25, 1, 2, 3, 4, 0x2a, 2, 0xff, 0xff,
  ])
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 400 }), (service) => {
      expect(decodeRequest(encodeRequest({ service }))).toEqual({ service })
      expect(decodeRequest(Buffer.concat([later, encodeRequest({ service }), later]))).toEqual({ service })
    }),
  )
  for (const status of Object.values(servingStatus))
    expect(decodeResponse(Buffer.concat([later, encodeResponse(status)]))).toBe(status)
})

test('bytes that are no message are refused or read, never a hang', () => {
  for (const bad of [[0x0a], [0x0a, 5, 65], [0x80], Array(11).fill(0x80), [0x0b], [0x0f]])
    expect(() => decodeRequest(Buffer.from(bad))).toThrow(/not a message/)
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 64 }), (bytes) => {
      try {
        expect(typeof decodeRequest(Buffer.from(bytes)).service).toBe('string')
      } catch (error) {
        expect(error).toBeInstanceOf(RangeError)
      }
    }),
  )
})
