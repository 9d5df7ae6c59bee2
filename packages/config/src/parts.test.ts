import { describe, expect, expectTypeOf, test } from 'vitest'
import { createPart, startBench, type TestPart, valid } from './testing/kit.ts'

const upstreamB = { upstream: { url: 'http://b' } }

describe('derive', () => {
  test('opens on the current value before it resolves', async () => {
    const { config } = await startBench()
    const story: string[] = []
    const part = await config.derive({
      name: 'client',
      select: (value) => value.upstream.url,
      open: async (url) => createPart(url, story),
    })
    expectTypeOf(part.current).toEqualTypeOf<TestPart>()
    expect(part.current.made).toBe('http://a')
    await config.close()
    expect(story).toEqual(['open http://a', 'end http://a'])
  })

  test('opens anew only when what it selects has changed, and ends the old one after the swap', async () => {
    const { config, source, settle } = await startBench()
    const story: string[] = []
    const part = await config.derive({
      name: 'client',
      select: (value) => value.upstream,
      open: async ({ url }) => createPart(url, story),
    })
    config.on('applied', () => {
      story.push(`applied ${config.value.upstream.url} ${part.current.made} ${config.value.limit}`)
    })
    source.set({ ...valid, limit: 20 })
    await settle()
    source.set(upstreamB)
    await settle()
    expect(story).toEqual([
      'open http://a',
      'applied http://a http://a 20',
      'open http://b',
      'applied http://b http://b 10',
      'end http://a',
    ])
    await config.close()
  })

  test('swaps nothing when the third open rejects, and discards the new ones in reverse', async () => {
    const { config, source, settle, log } = await startBench()
    const story: string[] = []
    for (const name of ['one', 'two', 'three'])
      await config.derive({
        name,
        select: (value) => value.upstream.url,
        open: async (url) => {
          if (name === 'three' && url === 'http://b') throw new Error('refused')
          return createPart(`${name} ${url}`, story)
        },
      })
    story.length = 0
    source.set(upstreamB)
    await settle()
    expect(story).toEqual(['open one http://b', 'open two http://b', 'end two http://b', 'end one http://b'])
    expect(log).toEqual(['rejected CONFIG_OPEN_FAILED'])
    expect(config.value.upstream.url).toBe('http://a')
    source.set(upstreamB)
    await settle()
    expect(log).toHaveLength(1)
    expect(story).toHaveLength(4) // what was refused is not even opened again
    await config.close()
    expect(story.slice(4)).toEqual(['end three http://a', 'end two http://a', 'end one http://a'])
  })

  test('rejects an open that never settles at openTimeoutMs, and ends what it opens after all', async () => {
    const { config, source, clock, log } = await startBench({ openTimeoutMs: 2_000, settleMs: [0, 0] })
    const story: string[] = []
    let finish: (() => void) | undefined
    await config.derive({
      name: 'slow',
      select: (value) => value.upstream.url,
      open: async (url) => {
        if (url === 'http://b')
          await new Promise<void>((resolve) => {
            finish = resolve
          })
        return createPart(url, story)
      },
    })
    source.set(upstreamB)
    await clock.advance(1_990)
    expect(log).toEqual([])
    await clock.advance(20)
    expect(log).toEqual(['rejected CONFIG_OPEN_FAILED'])
    finish?.()
    await clock.advance(0)
    expect(story).toEqual(['open http://a', 'open http://b', 'end http://b'])
    await config.close()
  })

  test('does not revive a part that is closed while the new one opens', async () => {
    const { config, source, clock } = await startBench({ settleMs: [0, 0] })
    const story: string[] = []
    let finish: (() => void) | undefined
    const part = await config.derive({
      name: 'client',
      select: (value) => value.upstream.url,
      open: async (url) => {
        if (url === 'http://b')
          await new Promise<void>((resolve) => {
            finish = resolve
          })
        return createPart(url, story)
      },
    })
    source.set(upstreamB)
    await clock.advance(1)
    await part.close()
    finish?.()
    await clock.advance(1)
    expect(story).toEqual(['open http://a', 'end http://a', 'open http://b', 'end http://b'])
    expect(config.value.upstream.url).toBe('http://b')
    await config.close()
    expect(story).toHaveLength(4)
  })

  test('drains before it disposes, and tells of a part that cannot be ended', async () => {
    const { config, source, settle, log } = await startBench()
    const story: string[] = []
    await config.derive({
      name: 'pool',
      select: (value) => value.upstream.url,
      open: async () => ({
        drain: async () => {
          story.push('drain')
        },
        [Symbol.asyncDispose]: async () => {
          story.push('dispose')
          throw new Error('stuck')
        },
      }),
    })
    await config.derive({
      name: 'rules',
      select: (value) => value.upstream.url,
      open: async (url) => ({ url }),
    })
    await config.derive({
      name: 'foreign',
      select: (value) => value.upstream.url,
      open: async (url) => ({ url, close: () => story.push('never') }),
      dispose: async ({ url }) => {
        story.push(`my own dispose ${url}`)
      },
    })
    source.set(upstreamB)
    await settle()
    expect(story).toEqual(['my own dispose http://a', 'drain', 'dispose'])
    expect(log).toEqual(['applied 2 live upstream.url', 'disposeFailed pool'])
    await config.close()
  })

  test('is over only when the old part is disposed of', async () => {
    const { config, source, clock } = await startBench({ settleMs: [0, 0] })
    await config.derive({
      name: 'slow',
      select: (value) => value.upstream.url,
      open: async (url) => url,
      dispose: () => clock.sleep(500),
    })
    source.set(upstreamB)
    let over = false
    const refreshing = config.refresh().then(() => {
      over = true
    })
    await clock.advance(400)
    expect(config.value.upstream.url).toBe('http://b')
    expect(over).toBe(false)
    await clock.advance(200)
    await refreshing
    const closing = config.close()
    await clock.advance(500)
    await closing
  })

  test('does not wait longer than disposeTimeoutMs for a part that hangs', async () => {
    const { config, source, clock, log } = await startBench({ disposeTimeoutMs: 1_000, settleMs: [0, 0] })
    await config.derive({
      name: 'hung',
      select: (value) => value.upstream.url,
      open: async (url) => url,
      dispose: (url) => (url === 'http://a' ? new Promise(() => undefined) : Promise.resolve()),
    })
    source.set(upstreamB)
    await clock.advance(1_100)
    expect(log).toEqual(['applied 2 live upstream.url', 'disposeFailed hung'])
    await config.close()
  })

  test('rejects when the first open fails, and keeps nothing', async () => {
    const { config, source, settle } = await startBench()
    let opens = 0
    const deriving = config.derive({
      name: 'client',
      select: (value) => value.upstream,
      open: async () => {
        opens += 1
        throw new Error('refused')
      },
    })
    await expect(deriving).rejects.toMatchObject({ code: 'CONFIG_OPEN_FAILED', fields: { part: 'client' } })
    source.set(upstreamB)
    await settle()
    expect(opens).toBe(1)
    await config.close()
  })

  test('treats a select that throws as a refusal, and a second part of one name as a mistake', async () => {
    const { config, source, settle, log } = await startBench()
    await config.derive({
      name: 'first',
      select: (value) => {
        if (value.limit === 20) throw new Error('not that')
        return value.limit
      },
      open: async (limit) => limit,
    })
    source.set({ ...valid, limit: 20 })
    await settle()
    expect(log).toEqual(['rejected CONFIG_OPEN_FAILED'])
    await expect(
      config.derive({ name: 'first', select: (value) => value.limit, open: async (limit) => limit }),
    ).rejects.toThrow(TypeError)
    await config.close()
  })
})
