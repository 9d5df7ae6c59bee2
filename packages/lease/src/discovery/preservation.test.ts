import { expect, test } from 'vitest'
import type { Instance } from './instance.ts'
import { createPreservation } from './preservation.ts'

const instance = (id: string, draining = false): Instance<null> => ({
  ...{ service: 'edge', id, incarnation: 1, suspect: false, createRevision: 2, modRevision: 2 },
  ...{ draining, metadata: null },
})

const ids = (list: readonly Instance<null>[]): string => list.map(({ id }) => id).join('')

test('exactly the share may vanish; one more, and all of the window are kept', () => {
  const preservation = createPreservation<null>({ share: 0.5, windowMs: 1_000 })
  expect(ids(preservation.vanished([instance('a')], 3, 0))).toBe('')
  expect(ids(preservation.vanished([instance('b')], 2, 500))).toBe('')
  const kept = preservation.vanished([instance('c')], 1, 900)
  expect(kept.map(({ id, suspect }) => `${id}${suspect}`)).toEqual(['atrue', 'btrue', 'ctrue'])
})

test('what vanished before the window does not count', () => {
  const preservation = createPreservation<null>({ share: 0.5, windowMs: 1_000 })
  preservation.vanished([instance('a'), instance('b')], 2, 0)
  expect(ids(preservation.vanished([instance('c')], 1, 1_000))).toBe('')
  expect(ids(preservation.vanished([instance('d')], 0, 1_001))).toBe('cd')
})

test('who was draining has said good-bye', () => {
  const preservation = createPreservation<null>({ share: 0, windowMs: 1_000 })
  expect(ids(preservation.vanished([instance('a', true)], 0, 0))).toBe('')
  expect(preservation.suspects.size).toBe(0)
})

test('each suspect has its own window, and returning ends it', () => {
  const preservation = createPreservation<null>({ share: 0.5, windowMs: 1_000 })
  preservation.vanished([instance('a'), instance('b')], 1, 0)
  preservation.vanished([instance('c')], 0, 400)
  expect(preservation.nextProofMs).toBe(1_000)
  expect(preservation.returned('b')?.id).toBe('b')
  expect(ids(preservation.proven(999))).toBe('')
  expect(ids(preservation.proven(1_000))).toBe('a')
  expect(ids([...preservation.suspects.values()])).toBe('c')
  expect(ids(preservation.proven(1_400))).toBe('c')
  expect(preservation.nextProofMs).toBe(Number.POSITIVE_INFINITY)
})
