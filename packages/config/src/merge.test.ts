import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { hashOf, isObject, type Json, toDocument } from './document.ts'
import { explainPath } from './explain.ts'
import { deepFreeze } from './freeze.ts'
import { changedPaths, mergeDocuments, mergePatch, ownValue } from './merge.ts'
import { createSecrets } from './redact.ts'

const runs = process.env['HOLDFAST_DEEP'] ? 20_000 : 500

/** Few keys, so that layers meet; nasty ones, so that prototypes would. */
const keys = fc.constantFrom('a', 'b', 'c', '__proto__', 'constructor', 'toString', '0')
const json = fc.letrec<{ value: Json; document: Record<string, Json> }>((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    fc.constantFrom<Json[]>(null, true, 0, 1, 'x', ''),
    fc.array(tie('value'), { maxLength: 2 }),
    tie('document'),
  ),
  document: fc.dictionary(keys, tie('value'), { maxKeys: 4, noNullPrototype: true }),
}))
const layersOf = fc.array(json.document, { minLength: 1, maxLength: 4 })

/** RFC 7396, section 2, line by line, on maps: nothing of JavaScript's objects to trip over. */
type Tree = Map<string, Tree> | { leaf: unknown }
function toTree(value: Json): Tree {
  if (!isObject(value)) return { leaf: JSON.stringify(value) }
  return new Map(Object.entries(value).map(([key, inner]) => [key, toTree(inner as Json)]))
}
function modelMerge(target: Tree | undefined, patch: Json): Tree {
  if (!isObject(patch)) return toTree(patch)
  const result: Map<string, Tree> = target instanceof Map ? new Map(target) : new Map()
  for (const [key, value] of Object.entries(patch) as [string, Json][])
    if (value === null) result.delete(key)
    else result.set(key, modelMerge(result.get(key), value))
  return result
}

describe('mergePatch', () => {
  // The table of RFC 7396, appendix A.
  test.each<[Json, Json, Json]>([
    [{ a: 'b' }, { a: 'c' }, { a: 'c' }],
    [{ a: 'b' }, { b: 'c' }, { a: 'b', b: 'c' }],
    [{ a: 'b' }, { a: null }, {}],
    [{ a: 'b', b: 'c' }, { a: null }, { b: 'c' }],
    [{ a: ['b'] }, { a: 'c' }, { a: 'c' }],
    [{ a: 'c' }, { a: ['b'] }, { a: ['b'] }],
    [{ a: { b: 'c' } }, { a: { b: 'd', c: null } }, { a: { b: 'd' } }],
    [{ a: [{ b: 'c' }] }, { a: [1] }, { a: [1] }],
    [
      ['a', 'b'],
      ['c', 'd'],
      ['c', 'd'],
    ],
    [{ a: 'b' }, ['c'], ['c']],
    [{ a: 'foo' }, null, null],
    [{ a: 'foo' }, 'bar', 'bar'],
    [{ e: null }, { a: 1 }, { e: null, a: 1 }],
    [[1, 2], { a: 'b', c: null }, { a: 'b' }],
    [{}, { a: { bb: { ccc: null } } }, { a: { bb: {} } }],
  ])('of %j and %j is %j', (target, patch, result) => {
    expect(mergePatch(target, patch)).toEqual(result)
  })

  test('is what RFC 7396 says, for any documents', () => {
    fc.assert(
      fc.property(json.value, json.value, (target, patch) => {
        expect(toTree(mergePatch(target, patch))).toEqual(modelMerge(toTree(target), patch))
      }),
      { numRuns: runs },
    )
  })

  test('reaches no prototype, changes no argument, and does nothing twice', () => {
    fc.assert(
      fc.property(json.document, json.document, (target, patch) => {
        const before = JSON.stringify([target, patch])
        const once = mergePatch(deepFreeze(target), deepFreeze(patch))
        expect(JSON.stringify([target, patch])).toBe(before)
        expect(Object.getPrototypeOf(once)).toBe(Object.prototype)
        expect(mergePatch(once, patch)).toEqual(once)
      }),
      { numRuns: runs },
    )
    expect(Object.getOwnPropertyNames(Object.prototype)).not.toContain('a')
  })
})

describe('hashOf', () => {
  test('is the same for the same data in any order, and another for other data', () => {
    fc.assert(
      fc.property(json.document, json.document, (one, other) => {
        const shuffled = Object.fromEntries(Object.entries(one).reverse())
        expect(hashOf(shuffled)).toBe(hashOf(one))
        const same = JSON.stringify([...flat(one)].sort()) === JSON.stringify([...flat(other)].sort())
        expect(hashOf(one) === hashOf(other)).toBe(same)
      }),
      { numRuns: runs },
    )
    expect(hashOf({})).toBe('44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a')
  })
})

describe('explainPath', () => {
  const nothingSecret = createSecrets([])

  function explain(path: readonly string[], documents: readonly Record<string, Json>[]) {
    const merged = mergeDocuments(documents)
    const layers = documents.map((document, index) => ({
      source: String(index),
      state: 'present' as const,
      revision: '',
      hash: '',
      document,
    }))
    return { merged, ...explainPath(path, merged, layers, nothingSecret) }
  }

  test('names for every leaf the one layer without which it would be another', () => {
    fc.assert(
      fc.property(layersOf, (documents) => {
        for (const [path, value] of flat(mergeDocuments(documents))) {
          if (value === '{}') continue // an object, to which several layers may have come
          const { layers } = explain(JSON.parse(path) as string[], documents)
          const winners = layers.filter((layer) => layer.won)
          expect(winners).toHaveLength(1)
          expect(winners[0]).toMatchObject({ says: 'sets' })
          expect(JSON.stringify(winners[0]?.value)).toBe(value)
          const later = layers.slice(layers.indexOf(winners[0]!) + 1)
          expect(later.every((layer) => layer.says === 'nothing')).toBe(true)
        }
      }),
      { numRuns: runs },
    )
  })

  test('agrees with the merge on any path, and never lets two layers win what is not there', () => {
    fc.assert(
      fc.property(layersOf, fc.array(keys, { minLength: 1, maxLength: 3 }), (documents, path) => {
        const { merged, value, layers } = explain(path, documents)
        expect(value).toEqual(path.reduce<unknown>(ownValue, merged))
        const winners = layers.filter((layer) => layer.won)
        if (value !== undefined) expect(winners.length).toBeGreaterThan(0)
        else for (const { says } of winners) expect(['deletes', 'replaces']).toContain(says)
        if (value === undefined) expect(winners.length).toBeLessThanOrEqual(1)
      }),
      { numRuns: runs },
    )
  })

  test.each<[string[], string[], boolean[]]>([
    [['a'], ['sets', 'sets', 'nothing'], [true, true, false]],
    [
      ['a', 'x'],
      ['sets', 'nothing', 'nothing'],
      [true, false, false],
    ],
    [
      ['a', 'y'],
      ['sets', 'deletes', 'nothing'],
      [false, true, false],
    ],
    [
      ['a', 'z'],
      ['nothing', 'sets', 'nothing'],
      [false, true, false],
    ],
    [
      ['b', 'c'],
      ['sets', 'replaces', 'nothing'],
      [false, true, false],
    ],
    [
      ['d', '0'],
      ['sets', 'nothing', 'nothing'],
      [true, false, false],
    ],
  ])('of %j', (path, says, won) => {
    const documents: Record<string, Json>[] = [
      { a: { x: 1, y: 2 }, b: { c: 1 }, d: [5] },
      { a: { y: null, z: 3 }, b: 7 },
      {},
    ]
    const { layers } = explain(path, documents)
    expect(layers.map((layer) => layer.says)).toEqual(says)
    expect(layers.map((layer) => layer.won)).toEqual(won)
  })
})

describe('changedPaths', () => {
  test('names what differs, as deep as both are objects', () => {
    expect(changedPaths({ a: { b: 1, c: 2 }, d: [1], e: 1 }, { a: { b: 1, c: 3 }, d: [2], f: {} })).toEqual([
      'a.c',
      'd',
      'e',
      'f',
    ])
    const many = Object.fromEntries(Array.from({ length: 500 }, (_, index) => [`k${index}`, index]))
    expect(changedPaths({}, many)).toHaveLength(100)
  })
})

describe('toDocument', () => {
  test.each<[unknown, string]>([
    [[1], 'must be an object, got an array'],
    [null, 'must be an object, got null'],
    ['text', 'must be an object, got a string'],
    [{ a: { b: () => 1 } }, 'a.b must be a value that JSON knows, got a function'],
    [{ a: [Number.NaN] }, 'a.0 must be a value that JSON knows, got NaN'],
    [{ a: new Date(0) }, 'a must be a value that JSON knows, got an instance of Date'],
    [JSON.parse('{"a":{"__proto__":{"polluted":1}}}'), 'a has the key __proto__'],
    [JSON.parse(`${'{"a":'.repeat(70)}1${'}'.repeat(70)}`), 'is nested deeper than 64 levels'],
  ])('refuses %j', (value, problem) => {
    expect(() => toDocument('test', value)).toThrow(problem)
  })

  test('copies, so that nobody can change it afterwards', () => {
    const given = { a: [1], b: undefined }
    const document = toDocument('test', given)
    given.a.push(2)
    expect(document).toEqual({ a: [1] })
  })

  test('counts what shared references unfold to', () => {
    let bomb: unknown = 'lol'
    for (let level = 0; level < 9; level += 1) bomb = Array(10).fill(bomb)
    expect(() => toDocument('test', { bomb })).toThrow('holds more than 1000000 values')
  })
})

/** Every leaf of a document by its path, both as JSON; an empty object is a leaf. */
function flat(value: Json, path: readonly string[] = []): ReadonlyMap<string, string> {
  if (!isObject(value) || Object.keys(value).length === 0)
    return new Map(path.length === 0 ? [] : [[JSON.stringify(path), JSON.stringify(value)]])
  return new Map(Object.entries(value).flatMap(([key, inner]) => [...flat(inner as Json, [...path, key])]))
}
