import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { ChunkLocation } from './chunk-index.ts'
import { createRunPlan, type Run } from './runs.ts'

const chunk = (pack: string, offset: number, storedLength: number, length = storedLength): ChunkLocation => ({
  id: `${pack}:${offset}`,
  pack,
  packBytes: 1 << 30,
  offset,
  storedLength,
  length,
  codec: 0,
  ordinal: 0,
})

function planned(wanted: readonly (readonly [at: ChunkLocation | undefined, use: string])[]): Run<string>[] {
  const plan = createRunPlan<string>()
  for (const [at, use] of wanted) plan.want(at, use)
  expect(plan.size).toBe(wanted.length)
  const runs = plan.take()
  expect([plan.size, plan.take()]).toEqual([0, []])
  return runs
}

const ranges = (runs: readonly Run<string>[]) =>
  runs.map(({ pack, offset, length }) => [pack, offset, length])

test('what lies together is read at once, in the order of its pack, and a wide gap is not', () => {
  const wanted = [chunk('b', 100, 50), chunk('a', 900_000, 10), chunk('a', 40, 60), chunk('b', 40, 60)]
  const runs = planned(wanted.map((at, use) => [at, String(use)]))
  expect(ranges(runs)).toEqual([
    ['b', 40, 110],
    ['a', 40, 60],
    ['a', 900_000, 10],
  ])
  expect(runs[0]!.chunks.map(({ uses }) => uses)).toEqual([['3'], ['0']])
})

test('a chunk that is wanted twice is read once; what needs none comes too', () => {
  const at = chunk('a', 40, 60)
  const runs = planned([
    [at, 'one'],
    [undefined, 'empty'],
    [at, 'two'],
  ])
  expect(ranges(runs)).toEqual([
    [undefined, 0, 0],
    ['a', 40, 60],
  ])
  expect(runs.map(({ chunks }) => chunks[0]!.uses)).toEqual([['empty'], ['one', 'two']])
})

test('every use is in one run, which holds its chunk, and no run of several chunks is long', () => {
  const located = fc.record({
    pack: fc.constantFrom('a', 'b', 'c'),
    place: fc.nat({ max: 60 }),
    stored: fc.constantFrom(100, 30_000, 200_000, 3_000_000),
    content: fc.constantFrom(1, 20),
  })
  fc.assert(
    fc.property(fc.array(fc.option(located), { maxLength: 200 }), (places) => {
      const wanted = places.map(
        (place, use) =>
          [
            place
              ? chunk(place.pack, 40 + place.place * 3_000_000, place.stored, place.stored * place.content)
              : undefined,
            String(use),
          ] as const,
      )
      // Of one place only the first is a chunk: others would overlap it.
      const first = new Map<string, ChunkLocation>()
      for (const [at] of wanted) if (at && !first.has(at.id)) first.set(at.id, at)
      const valid = wanted.map(([at, use]) => [at && first.get(at.id), use] as const)
      const runs = planned(valid)
      const uses = runs.flatMap((run) =>
        run.chunks.flatMap(({ at, uses }) => {
          if (!at) return uses.map((use) => [undefined, use])
          expect(at.pack).toBe(run.pack)
          expect(at.offset).toBeGreaterThanOrEqual(run.offset)
          expect(at.offset + at.storedLength).toBeLessThanOrEqual(run.offset + run.length)
          return uses.map((use) => [at.id, use])
        }),
      )
      const expected = valid.map(([at, use]) => [at?.id, use])
      expect(uses.sort()).toEqual(expected.sort())
      for (const { chunks, length } of runs)
        if (chunks.length > 1) {
          expect(length).toBeLessThanOrEqual(2 << 20)
          expect(chunks.reduce((sum, { at }) => sum + at!.length, 0)).toBeLessThanOrEqual(6 << 20)
        }
    }),
    { numRuns: 100 },
  )
})
