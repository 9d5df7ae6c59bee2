import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkMetadata, decodeOwnership, decodeRecord, encodeRecord, idOfKey, instanceKey } from './record.ts'

test('version 1 is read for ever', () => {
  const golden = Buffer.from(
    '{"v":1,"owner":"7587-a1","incarnation":3,"draining":true,"metadata":{"url":"http://x"}}',
  )
  const record = { owner: '7587-a1', incarnation: 3, draining: true, metadata: { url: 'http://x' } }
  expect(decodeRecord('k', golden)).toEqual(record)
  expect(Buffer.from(encodeRecord(record)).toString()).toBe(golden.toString())
})

test('of a later version, the owner is still understood', () => {
  const later = Buffer.from('{"v":2,"owner":"o","incarnation":9,"payload":"?"}')
  expect(decodeOwnership(later)).toEqual({ owner: 'o', incarnation: 9 })
  expect(() => decodeRecord('k', later)).toThrow(expect.objectContaining({ code: 'REGISTRATION_DAMAGED' }))
})

test('what goes in comes out', () => {
  fc.assert(
    fc.property(
      fc.string(),
      fc.nat(),
      fc.boolean(),
      fc.jsonValue(),
      (owner, incarnation, draining, metadata) => {
        const record = { owner, incarnation, draining, metadata: checkMetadata(metadata) }
        expect(decodeRecord('k', encodeRecord(record))).toEqual(record)
      },
    ),
  )
})

test('arbitrary bytes are damaged or decoded, never anything else', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.uint8Array(),
        fc.json().map((json) => Buffer.from(json)),
      ),
      (bytes) => {
        expect(decodeOwnership(bytes)).toBeUndefined()
        expect(() => decodeRecord('k', bytes)).toThrow(
          expect.objectContaining({ code: 'REGISTRATION_DAMAGED' }),
        )
      },
    ),
  )
})

test('every name has a key of its own, below its service', () => {
  const name = fc.string({ unit: 'grapheme', minLength: 1 })
  fc.assert(
    fc.property(name, name, (service, id) => {
      const key = instanceKey(service, id)
      expect(idOfKey(service, key)).toBe(id)
      expect(key.split('/')).toHaveLength(3)
    }),
  )
  expect([idOfKey('edge', 'services/edge/a/b'), idOfKey('edge', 'services/edge/%zz')]).toEqual([
    undefined,
    undefined,
  ])
})
