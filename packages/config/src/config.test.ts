import { isHoldfastError } from '@holdfast/core'
import { createFakeClock } from '@holdfast/core/testing'
import { describe, expect, expectTypeOf, test } from 'vitest'
import { z } from 'zod'
import { openConfig } from './config.ts'
import { memorySource } from './sources/memory.ts'
import { schema, startBench, valid } from './testing/kit.ts'

describe('openConfig', () => {
  test('has a validated, frozen value when it resolves', async () => {
    const { config } = await startBench({ document: valid })
    expect(config.value).toEqual({ upstream: { url: 'http://a' }, limit: 10 })
    expect(config.origin).toBe('live')
    expect(config.revision).toBe(1)
    expect(() => {
      ;(config.value as { limit: number }).limit = 1
    }).toThrow(TypeError)
    expect(() => {
      ;(config.value.upstream as { url: string }).url = ''
    }).toThrow(TypeError)
    expectTypeOf(config.value.limit).toEqualTypeOf<number>()
    await config.close()
  })

  test('is frozen below what a schema froze already', async () => {
    const shallow = z.object({ a: z.object({ b: z.array(z.object({ c: z.number() })) }) }).readonly()
    await using config = await openConfig({
      schema: shallow,
      sources: [memorySource({ a: { b: [{ c: 1 }] } })],
    })
    expect(Object.isFrozen(config.value.a)).toBe(true)
    expect(Object.isFrozen(config.value.a.b[0])).toBe(true)
  })

  test('merges the layers, later ones winning, null deleting', async () => {
    const base = memorySource({ upstream: { url: 'http://a', token: 't' }, limit: 1 }, { name: 'base' })
    const host = memorySource({ upstream: { token: null }, limit: 2 }, { name: 'host' })
    await using config = await openConfig({ schema, sources: [base, host] })
    expect(config.value).toEqual({ upstream: { url: 'http://a' }, limit: 2 })
  })

  test('rejects an invalid first config with the path and the reason', async () => {
    const opening = startBench({ document: { upstream: { url: 1 }, limit: 0 } })
    const error = await opening.catch((failure: unknown) => failure)
    expect(isHoldfastError(error, 'CONFIG_INVALID')).toBe(true)
    expect((error as Error).message).toMatch(
      /upstream\.url: .*string.*; limit: .*memory|memory.*upstream\.url/,
    )
    expect((error as { fields: { issues: unknown[] } }).fields.issues).toHaveLength(2)
  })

  test.each([
    ['CONFIG_MISSING', (source: ReturnType<typeof memorySource>) => source.remove()],
    ['CONFIG_EMPTY', (source: ReturnType<typeof memorySource>) => source.empty()],
    ['CONFIG_UNREACHABLE', (source: ReturnType<typeof memorySource>) => source.fail(new Error('down'))],
    [
      'CONFIG_DENIED',
      (source: ReturnType<typeof memorySource>) =>
        source.fail(Object.assign(new Error('no'), { code: 'EACCES' })),
    ],
    ['CONFIG_UNREADABLE', (source: ReturnType<typeof memorySource>) => source.set([1])],
  ])('tells %s apart, at boot and later', async (code, spoil) => {
    const clock = createFakeClock()
    const spoilt = memorySource(valid)
    spoil(spoilt)
    const opening = openConfig({ schema, sources: [spoilt], clock, bootTimeoutMs: 500 }).catch(
      (error: unknown) => error,
    )
    await clock.advance(600)
    expect(await opening).toMatchObject({ code })

    const bench = await startBench()
    spoil(bench.source)
    await bench.settle()
    expect(bench.config.status().attempt).toMatchObject({ state: 'rejected', error: { code } })
    expect(bench.config.value.upstream.url).toBe('http://a')
    expect(bench.config.revision).toBe(1)
    bench.source.set({ upstream: { url: 'http://b' } })
    await bench.clock.advance(60_000)
    expect(bench.config.value.upstream.url).toBe('http://b')
    await bench.config.close()
  })

  test('gives up at bootTimeoutMs on a source that never answers', async () => {
    const clock = createFakeClock()
    const hung = {
      ...memorySource(valid),
      start: () => ({ load: () => new Promise<never>(() => undefined), close: async () => undefined }),
    }
    const opening = openConfig({ schema, sources: [hung], clock, bootTimeoutMs: 3_000 }).catch(
      (error: unknown) => error,
    )
    let settled = false
    void opening.then(() => {
      settled = true
    })
    await clock.advance(2_999)
    expect(settled).toBe(false)
    await clock.advance(1)
    expect(await opening).toMatchObject({ code: 'CONFIG_UNREACHABLE' })
    expect(clock.sleepers).toBe(0)
  })

  test('counts a schema that does not answer, or throws, as one that refuses', async () => {
    const clock = createFakeClock()
    for (const validate of [
      () => new Promise<never>(() => undefined),
      () => {
        throw new Error('not today')
      },
    ]) {
      const silent = { '~standard': { version: 1, vendor: 'test', validate } } as const
      const opening = openConfig({
        schema: silent,
        sources: [memorySource({})],
        clock,
        openTimeoutMs: 100,
      }).catch((error: unknown) => error)
      await clock.advance(100)
      expect(await opening).toMatchObject({ code: 'CONFIG_INVALID' })
    }
  })

  test('waits at boot for a source that comes back in time', async () => {
    const clock = createFakeClock()
    const source = memorySource(valid)
    source.fail(new Error('down'))
    const opening = openConfig({ schema, sources: [source], clock })
    await clock.advance(500)
    source.set(valid)
    await clock.advance(2_000)
    const config = await opening
    expect(config.origin).toBe('live')
    await config.close()
  })

  test("ends the boot by the caller's signal, and leaves nothing behind", async () => {
    const clock = createFakeClock()
    const source = memorySource(valid)
    source.fail(new Error('down'))
    const abort = new AbortController()
    const opening = openConfig({ schema, sources: [source], clock, signal: abort.signal })
    await clock.advance(10)
    abort.abort(new Error('enough'))
    await expect(opening).rejects.toThrow('enough')
    await clock.advance(0)
    expect(clock.sleepers).toBe(0)
  })

  test.each([
    [{ schema: undefined }, /^schema /],
    [{ sources: [] }, /^sources /],
    [{ sources: [memorySource({}), memorySource({})] }, /^sources .*"memory" twice/],
    [{ settleMs: [5, 1] }, /^settleMs\[1\] /],
    [{ bootTimeoutMs: 0 }, /^bootTimeoutMs /],
    [{ reload: 'cold' }, /^reload /],
    [{ secrets: ['a..b'] }, /^secrets /],
    [{ probation: { forMs: 1 } }, /^probation.healthy /],
    [{ lastKnownGood: '' }, /^lastKnownGood.folder /],
  ])('refuses the options %j', async (bad, message) => {
    await expect(startBench(bad as never)).rejects.toThrow(message)
  })
})

describe('a change', () => {
  test('is applied once its sources have settled', async () => {
    const { config, source, clock, log } = await startBench({ settleMs: [50, 500] })
    source.set({ ...valid, limit: 11 })
    await clock.advance(49)
    source.set({ ...valid, limit: 12 })
    await clock.advance(49)
    expect(config.value.limit).toBe(10)
    await clock.advance(51)
    expect(config.value.limit).toBe(12)
    expect(log).toEqual(['applied 2 live limit'])
    await config.close()
  })

  test('is applied within the longest settling time though it never settles', async () => {
    const { config, source, clock } = await startBench({ settleMs: [50, 500] })
    for (let at = 0; at < 600; at += 40) {
      source.set({ ...valid, limit: 11 + at / 40 })
      await clock.advance(40)
    }
    expect(config.value.limit).toBeGreaterThan(20)
    await config.close()
  })

  test('there and back within the settling time is none', async () => {
    const { config, source, settle, log } = await startBench()
    source.set({ ...valid, limit: 11 })
    source.set(valid)
    await settle()
    expect(config.revision).toBe(1)
    expect(log).toEqual([])
    await config.close()
  })

  test('that is invalid is rejected once, and the running config stays', async () => {
    const { config, source, settle, log } = await startBench()
    source.set({ ...valid, limit: 0 })
    await settle()
    source.set({ ...valid, limit: 0 })
    await settle()
    expect(log).toEqual(['rejected CONFIG_INVALID'])
    expect(config.status().attempt.error?.message).toContain('limit: ')
    expect(config.value.limit).toBe(10)
    await config.refresh()
    expect(log).toEqual(['rejected CONFIG_INVALID', 'rejected CONFIG_INVALID'])
    await config.close()
  })

  test('that was rejected is tried again after the sources said something else', async () => {
    const { config, source, settle, log } = await startBench()
    for (const limit of [0, 10, 0]) {
      source.set({ ...valid, limit })
      await settle()
    }
    expect(log).toEqual(['rejected CONFIG_INVALID', 'applied 2 live limit', 'rejected CONFIG_INVALID'])
    await config.close()
  })

  test('reverted at its source clears the rejection', async () => {
    const { config, source, settle } = await startBench()
    source.set({ ...valid, limit: 0 })
    await settle()
    source.set(valid)
    await settle()
    expect(config.status().attempt).toMatchObject({ state: 'applied', hash: config.hash })
    await config.close()
  })

  test('that no wake told of is found by the resync', async () => {
    const document = { ...valid, limit: 10 }
    const { config, clock } = await startBench({ document, resyncMs: 60_000 })
    document.limit = 20
    await clock.advance(59_999)
    expect(config.value.limit).toBe(10)
    await clock.advance(2)
    expect(config.value.limit).toBe(20)
    await config.close()
  })

  test('is read by refresh at once', async () => {
    const { config, source } = await startBench()
    source.set({ ...valid, limit: 20 })
    expect((await config.refresh()).running.hash).toBe(config.hash)
    expect(config.value.limit).toBe(20)
    await config.close()
  })

  test('waits a random part of the splay', async () => {
    const { config, source, clock } = await startBench({
      splayMs: 10_000,
      random: () => 0.5,
      settleMs: [0, 0],
    })
    source.set({ ...valid, limit: 20 })
    await clock.advance(4_999)
    expect(config.value.limit).toBe(10)
    await clock.advance(2)
    expect(config.value.limit).toBe(20)
    await config.close()
  })

  test('is only reported where reload is restart', async () => {
    const { config, source, settle, log } = await startBench({ reload: 'restart' })
    source.set({ ...valid, limit: 20 })
    await settle()
    source.set({ ...valid, limit: 20 })
    await settle()
    expect(config.status().attempt.state).toBe('pending')
    source.set({ ...valid, limit: 0 })
    await settle()
    expect(log).toEqual(['pending limit', 'rejected CONFIG_INVALID'])
    expect(config.value.limit).toBe(10)
    await config.close()
  })
})

describe('an optional layer', () => {
  test('that is out at boot is told from an absent one, and asked again soon', async () => {
    const clock = createFakeClock()
    const extra = memorySource({ limit: 20 }, { name: 'extra', optional: true })
    // Out of reach, and it will not wake anybody when it is back.
    const silent = {
      ...extra,
      start: () => extra.start({ wake: () => undefined, clock, random: Math.random }),
    }
    extra.fail(Object.assign(new Error('no'), { code: 'EACCES' }))
    const opening = openConfig({ schema, sources: [memorySource(valid), silent], clock })
    await clock.advance(4_000)
    const config = await opening
    expect(config.status().running.layers[1]).toMatchObject({ source: 'extra', state: 'unreachable' })
    extra.set({ limit: 20 })
    await clock.advance(30_000)
    expect(config.value.limit).toBe(20)
    await config.close()
  })

  test('that is absent adds nothing; one that is unreachable keeps its previous value', async () => {
    const extra = memorySource({ limit: 20 }, { name: 'extra', optional: true })
    const { config, source, clock, log } = await startBench({ sources: [memorySource(valid), extra] })
    void source
    extra.fail(new Error('down'))
    await clock.advance(5_000)
    expect(config.value.limit).toBe(20)
    expect(config.status().running.layers[1]).toMatchObject({ source: 'extra', state: 'stale' })
    extra.remove()
    await clock.advance(60_000)
    expect(config.value.limit).toBe(10)
    expect(log).toEqual([
      'sourceFailed extra CONFIG_UNREACHABLE',
      'sourceRecovered extra',
      'applied 2 live limit',
    ])
    await config.close()
  })
})

test('a listener that throws is called once for each change, and stops no other', async () => {
  const { config, source, clock, log } = await startBench()
  const errors: string[] = []
  let calls = 0
  config.on('applied', () => {
    calls += 1
    throw new Error('mine')
  })
  config.on('listenerError', (error, event) => errors.push(`${event} ${(error as Error).message}`))
  config.on('applied', () => log.push('the next listener'))
  source.set({ ...valid, limit: 20 })
  await clock.advance(400_000)
  expect(calls).toBe(1)
  expect(errors).toEqual(['applied mine'])
  expect(log).toEqual(['applied 2 live limit', 'the next listener'])
  await config.close()
})

describe('closing', () => {
  test('leaves nothing behind, and may be repeated', async () => {
    const { config, source, clock } = await startBench()
    source.set({ ...valid, limit: 20 })
    await Promise.all([config.close(), config.close(), config[Symbol.asyncDispose]()])
    expect(clock.sleepers).toBe(0)
    await clock.advance(1_000)
    expect(config.value.limit).toBe(10)
    await expect(config.refresh()).rejects.toMatchObject({ code: 'CONFIG_CLOSED' })
    await expect(
      config.derive({ name: 'late', select: (value) => value.limit, open: async () => 1 }),
    ).rejects.toMatchObject({ code: 'CONFIG_CLOSED' })
  })
})
