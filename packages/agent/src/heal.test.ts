import { expect, test } from 'vitest'
import { createAgent } from './agent.ts'
import { createLab, unit } from './lab.test.kit.ts'
import type { Rung } from './types.ts'

function remedies(clock: { now(): number; sleep(ms: number): Promise<void> }, failing: string[] = []) {
  const applied: string[] = []
  const remedy = (name: string, ms = 0): Rung => ({
    name,
    apply: async ({ why }) => {
      applied.push(`${name} for ${why} at ${clock.now()}`)
      if (ms > 0) await clock.sleep(ms)
      if (failing.includes(name)) throw new Error(`${name} failed`)
    },
  })
  return { applied, remedy }
}

test('each call climbs one rung; the ladder begins anew after healthy time', async () => {
  const { clock, start, read } = createLab()
  const { applied, remedy } = remedies(clock)
  const agent = createAgent({ clock, units: { backoff: { minMs: 100, jitter: 'none' } } }).unit(
    'a',
    [],
    start('a'),
    {
      heal: [remedy('refresh'), remedy('register'), 'restart', 'escalate'],
      healthyAfterMs: 10_000,
    },
  )
  await using _ = await agent.start()
  const rungs = []
  for (const ms of [0, 9_899, 9_899, 9_899 + 10_000]) {
    await clock.advance(ms)
    const healing = agent.heal('a', 'beats')
    await clock.advance(100)
    rungs.push(await healing)
    expect(agent.status().a.state).toBe('up')
  }
  expect(rungs).toEqual(['refresh', 'register', 'restart', 'refresh'])
  expect(applied).toEqual([
    'refresh for beats at 0',
    'register for beats at 9999',
    'refresh for beats at 39997',
  ])
  expect(read()).toBe('a+ a- a+')
})

test('a rung that fails leads to the next at once; calls meanwhile join', async () => {
  const { clock, start } = createLab()
  const { applied, remedy } = remedies(clock, ['refresh'])
  const told: unknown[] = []
  const agent = createAgent({ clock }).unit('a', [], start('a'), {
    heal: [remedy('refresh', 5), remedy('register', 5)],
  })
  agent.on('healed', ({ rung, error, durationMs }) => told.push([rung, durationMs, error]))
  await using _ = await agent.start()
  const calls = [agent.heal('a', 'one'), agent.heal('a', 'two')]
  await clock.advance(10)
  expect(await Promise.all(calls)).toEqual(['register', 'register'])
  expect(applied).toEqual(['refresh for one at 0', 'register for one at 5'])
  expect(told).toEqual([
    ['refresh', 5, new Error('refresh failed')],
    ['register', 5, undefined],
  ])
})

test('a rung that hangs is left behind for the next', async () => {
  const { clock, start } = createLab()
  const { remedy } = remedies(clock)
  const agent = createAgent({ clock }).unit('a', [], start('a'), {
    heal: [remedy('hangs', Number.POSITIVE_INFINITY), remedy('helps')],
    healTimeoutMs: 700,
  })
  await using _ = await agent.start()
  const healing = agent.heal('a', 'x')
  await clock.advance(700)
  expect(await healing).toBe('helps')
})

test('a restart has healed when the unit is up again, with all that needs it to follow; calls meanwhile join', async () => {
  const { clock, start } = createLab()
  const told: unknown[] = []
  const agent = createAgent({ clock, units: { backoff: { minMs: 100, jitter: 'none' } } }).unit(
    'a',
    [],
    start('a', (incarnation) => ({
      startMs: 30,
      ...(incarnation === 2 ? { startError: new Error('x') } : {}),
    })),
  )
  agent.on('healed', ({ rung, durationMs }) => told.push([rung, durationMs]))
  const starting = agent.start()
  await clock.advance(30)
  await using _ = await starting
  const calls = [agent.heal('a', 'one'), agent.heal('a', 'two')]
  await clock.advance(359)
  expect(told).toEqual([])
  await clock.advance(1)
  expect(await Promise.all(calls)).toEqual(['restart', 'restart'])
  expect(told).toEqual([['restart', 360]]) // 100 + 30, failed; 200 + 30, up
})

test('a restart that a stop overtakes has healed nothing', async () => {
  const { clock, start } = createLab()
  const agent = createAgent({ clock }).unit('a', [], start('a'))
  const running = await agent.start()
  const healing = agent.heal('a', 'x')
  await running.close()
  expect(await healing).toBeUndefined()
})

test('a restart that hangs in its start is left behind by a stop, and healed nothing', async () => {
  const { clock } = createLab()
  let starts = 0
  const start = () => {
    starts += 1
    return starts === 1 ? unit() : new Promise<never>(() => {})
  }
  const agent = createAgent({ clock, stopBudgetMs: 500 }).unit('a', [], start, {
    startTimeoutMs: Number.POSITIVE_INFINITY,
    stopTimeoutMs: 100,
  })
  const running = await agent.start()
  const healing = agent.heal('a', 'x')
  await clock.advance(10_000)
  const closing = running.close()
  await clock.advance(100)
  await closing
  expect([starts, await healing, clock.sleepers]).toEqual([2, undefined, 0])
})

test('a temporary unit is brought back by a restart that was asked for, what needs it is not', async () => {
  const { clock, start, read } = createLab()
  const agent = createAgent({ clock })
    .unit('a', [], start('a'), { restart: 'temporary' })
    .unit('b', ['a'], start('b'), { restart: 'temporary' })
  await using _ = await agent.start()
  const healing = agent.heal('a', 'x')
  await clock.advance(60_000)
  expect([await healing, read()]).toEqual(['restart', 'a+ b+ b- a- a+'])
})

test('escalate stops everything, with the reason as cause', async () => {
  const { clock, start, read } = createLab()
  const agent = createAgent({ clock }).unit('a', [], start('a'), { heal: ['escalate'] })
  const running = await agent.start()
  const why = new Error('no beat')
  const gaveUp = expect(running.exited).rejects.toMatchObject({ code: 'AGENT_HEAL_ESCALATED', cause: why })
  expect(await agent.heal('a', why)).toBe('escalate')
  await gaveUp
  expect(read()).toBe('a+ a-')
})

test('a unit that is down, stopping or pausing is not healed', async () => {
  const { clock, start, end, read } = createLab()
  const agent = createAgent({ clock, random: () => 0.9 }).unit('a', [], start('a', { closeMs: 50 }))
  expect(await agent.heal('a', 'x')).toBeUndefined()
  const running = await agent.start()
  end('a', new Error('x'))
  await clock.advance(10)
  expect(agent.status().a.state).toBe('stopping')
  expect(await agent.heal('a', 'x')).toBeUndefined()
  await clock.advance(45)
  expect(agent.status().a.state).toBe('pausing')
  expect(await agent.heal('a', 'x')).toBeUndefined()
  const closing = running.close()
  await clock.advance(0)
  await closing
  expect(read()).toBe('a+ a-')
  await expect(agent.heal('b' as 'a', 'x')).rejects.toThrow(TypeError)
})

test('a remedy under way is aborted when its unit is stopped, and no rung follows', async () => {
  const { clock, start } = createLab()
  const { applied, remedy } = remedies(clock)
  let aborted = false
  const patient: Rung = {
    name: 'patient',
    apply: ({ signal }) =>
      new Promise((_, reject) => {
        signal.addEventListener('abort', () => {
          aborted = true
          reject(signal.reason)
        })
      }),
  }
  const agent = createAgent({ clock }).unit('a', [], start('a'), { heal: [patient, remedy('after')] })
  const running = await agent.start()
  const healing = agent.heal('a', 'x')
  await running.close()
  expect(await healing).toBeUndefined()
  expect([aborted, applied]).toEqual([true, []])
})
