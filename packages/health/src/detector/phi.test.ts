import fc from 'fast-check'
import { expect, test } from 'vitest'
import { maxPhi, phi } from './phi.ts'

const steady = { meanMs: 1_000, deviationMs: 100 }

test('φ is −log10 of the normal tail, to a percent', () => {
  const tails: [sigmas: number, tail: number][] = [
    [0, 0.5],
    [1, 0.158_655],
    [2, 0.022_75],
    [3, 0.001_35],
  ]
  for (const [sigmas, tail] of tails)
    expect(phi(1_000 + sigmas * 100, steady)).toBeCloseTo(-Math.log10(tail), 1)
})

test('φ is finite, within 0 and its cap, and never falls while the silence lasts', () => {
  const silence = fc.double({ min: 0, max: 1e12, noNaN: true })
  const deviation = fc.double({ min: 1e-3, max: 1e6, noNaN: true })
  fc.assert(
    fc.property(silence, silence, deviation, (a, b, deviationMs) => {
      const [shorter, longer] = a <= b ? [a, b] : [b, a]
      const early = phi(shorter, { meanMs: 1_000, deviationMs })
      const late = phi(longer, { meanMs: 1_000, deviationMs })
      expect(early).toBeGreaterThanOrEqual(0)
      expect(late).toBeGreaterThanOrEqual(early)
      expect(late).toBeLessThanOrEqual(maxPhi)
    }),
  )
})

test('above 21 σ, where the usual formula is Infinity, it goes on up to its cap', () => {
  const usual = (sigmas: number): number => {
    const e = Math.exp(-sigmas * (1.5976 + 0.070566 * sigmas * sigmas))
    return -Math.log10(e / (1 + e))
  }
  expect(usual(22)).toBe(Number.POSITIVE_INFINITY)
  for (const sigmas of [2, 5, 8]) expect(phi(1_000 + sigmas * 100, steady)).toBeCloseTo(usual(sigmas), 6)
  expect(phi(1_000 + 12 * 100, steady)).toBeCloseTo(usual(12), 6)
  expect(phi(1_000 + 22 * 100, steady)).toBe(maxPhi)
})
