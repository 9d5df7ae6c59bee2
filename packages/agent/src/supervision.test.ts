import { expect, test } from 'vitest'
import { createAgent } from './agent.ts'
import { createLab, unit } from './lab.test.kit.ts'
import type { AgentOptions } from './types.ts'

const steady = { minMs: 100, factor: 2, jitter: 'none' } as const

function lab(options: AgentOptions = {}) {
  const own = createLab()
  const { clock } = own
  return { ...own, agent: createAgent({ clock, units: { backoff: steady }, ...options }) }
}

test('a diamond restarts once, from its root', async () => {
  const { agent, clock, start, end, read } = lab()
  await using _ = await agent
    .unit('other', [], start('other'))
    .unit('top', [], start('top'))
    .unit('left', ['top'], start('left'))
    .unit('right', ['top'], start('right'))
    .unit('bottom', ['left', 'right'], start('bottom'))
    .start()
  read()
  end('top', new Error('x'))
  await clock.advance(99)
  expect(read()).toBe('bottom- right- left- top-')
  await clock.advance(1)
  expect(read()).toBe('top+ left+ right+ bottom+')
  expect(agent.stats()['agent_restarts_total']?.value).toBe(1)
})

test('two units that fail in the same tick are each restarted once', async () => {
  const { agent, clock, start, end, read } = lab()
  await using _ = await agent
    .unit('a', [], start('a'))
    .unit('b', ['a'], start('b'))
    .unit('c', [], start('c'))
    .start()
  read()
  for (const name of ['b', 'a', 'c']) end(name, new Error(name))
  await clock.advance(1_000)
  expect(read()).toBe('b- c- a- a+ c+ b+')
})

test('permanent units come back from any end, transient ones from a failure, temporary ones from none', async () => {
  const { agent, clock, start, end, read } = lab({ intensity: { max: 100, perMs: 1e9 } })
  await using _ = await agent
    .unit('permanent', [], start('permanent'))
    .unit('transient', [], start('transient'), { restart: 'transient' })
    .unit('temporary', [], start('temporary'), { restart: 'temporary' })
    .start()
  read()
  for (const name of ['permanent', 'transient', 'temporary']) end(name)
  await clock.advance(60_000)
  expect(read()).toBe('permanent- permanent+')
  expect(agent.status()).toMatchObject({ transient: { state: 'finished' }, temporary: { state: 'finished' } })
})

test('a transient unit comes back from a failure, a temporary one does not and takes its dependents along', async () => {
  const { agent, clock, start, end, read } = lab()
  await using _ = await agent
    .unit('transient', [], start('transient'), { restart: 'transient' })
    .unit('temporary', [], start('temporary'), { restart: 'temporary' })
    .unit('reader', ['temporary'], start('reader'))
    .start()
  read()
  end('transient', new Error('x'))
  end('temporary', new Error('y'))
  await clock.advance(60_000)
  expect(read()).toBe('transient- reader- temporary- transient+')
  expect(agent.status()).toMatchObject({ temporary: { state: 'down', lastError: new Error('y') } })
})

test('a restart stops a temporary dependent for good, and what needs that', async () => {
  const { agent, clock, start, end, read } = lab()
  await using _ = await agent
    .unit('a', [], start('a'))
    .unit('t', ['a'], start('t'), { restart: 'temporary' })
    .unit('b', ['t'], start('b'))
    .unit('c', ['a'], start('c'))
    .start()
  read()
  end('a', new Error('x'))
  await clock.advance(200)
  expect(read()).toBe('c- b- t- a- a+ c+')
})

test('pauses grow from failure to failure, and start anew after healthy uptime only', async () => {
  const { agent, clock, start, end } = lab({ intensity: { max: 50, perMs: 1e9 } })
  const pauses: [number, number][] = []
  agent.on('restartPlanned', ({ failures, pauseMs }) => pauses.push([failures, pauseMs]))
  await using _ = await agent.unit('a', [], start('a'), { healthyAfterMs: 5_000 }).start()
  for (const upMs of [0, 4_999, 4_999, 5_000, 0]) {
    await clock.advance(upMs)
    end('a', new Error('x'))
    await clock.advance(0)
    await clock.advance(pauses.at(-1)![1])
  }
  expect(pauses).toEqual([
    [1, 100],
    [2, 200],
    [3, 400],
    [1, 100],
    [2, 200],
  ])
})

test('a restart whose start fails is paused and tried again', async () => {
  const { agent, clock, start, end, read } = lab()
  await using _ = await agent
    .unit(
      'a',
      [],
      start('a', (nth) => (nth === 2 || nth === 3 ? { startError: new Error('down') } : {})),
      { healthyAfterMs: 50 }, // a start that fails is no uptime
    )
    .start()
  end('a', new Error('x'))
  await clock.advance(699)
  expect(read()).toBe('a+ a-')
  await clock.advance(1)
  expect(read()).toBe('a+')
  expect(agent.status()).toEqual({ a: { state: 'up', restarts: 3, lastError: new Error('down') } })
})

test('beyond the intensity everything stops and the agent gives up', async () => {
  const { agent, clock, start, end, read } = lab({ intensity: { max: 2, perMs: 10_000 } })
  const running = await agent
    .unit('a', [], start('a'))
    .unit('b', [], start('b', { drainMs: 1 }))
    .start()
  read()
  const last = new Error('third')
  const gaveUp = expect(running.exited).rejects.toMatchObject({
    code: 'AGENT_INTENSITY_EXCEEDED',
    cause: last,
    fields: { unit: 'a', max: 2, perMs: 10_000 },
  })
  for (const error of [new Error('first'), new Error('second'), last]) {
    end('a', error)
    await clock.advance(1_000)
  }
  await gaveUp
  expect(read()).toBe('a- a+ a- a+ a- b~ b-')
  await running.close()
  expect(clock.sleepers).toBe(0)
})

test('a crash period just above the window is borne for hours, just below it is not', async () => {
  for (const [periodMs, gives] of [
    [30_000, 'up'],
    [29_999, 'down'],
  ] as const) {
    const { agent, clock, start, end } = lab({ intensity: { max: 2, perMs: 60_000 } })
    let planned = 0
    agent.on('restartPlanned', () => {
      planned += 1
    })
    const running = await agent
      .unit('a', [], start('a'), { backoff: { minMs: 10, maxMs: 10, jitter: 'none' } })
      .start()
    const exited = running.exited.catch(({ code }) => code)
    for (let crashes = 0; crashes < 720; crashes += 1) {
      await clock.advance(periodMs)
      end('a', new Error('x'))
    }
    await clock.advance(10)
    expect(agent.status()).toMatchObject({ a: { state: gives } })
    if (gives === 'up') {
      expect(planned).toBe(720)
      await running.close()
    } else expect(await exited).toBe('AGENT_INTENSITY_EXCEEDED')
  }
})

test.each(['exited', 'restartPlanned', 'started', 'startFailed', 'stopped'] as const)(
  'a listener of %s may stop the agent, and has the last word',
  async (event) => {
    const { agent, clock, start, end, read } = lab()
    const second = { startError: new Error('x') }
    const running = await agent
      .unit(
        'a',
        [],
        start('a', (incarnation) => (incarnation === 2 && event === 'startFailed' ? second : {})),
      )
      .unit('b', ['a'], start('b'))
      .start()
    let closing: Promise<void> | undefined
    agent.on(event, () => {
      closing ??= running.close()
    })
    end('a', new Error('ended'))
    await clock.advance(60_000)
    await closing
    await running.exited
    expect(read()).toBe(event === 'started' ? 'a+ b+ b- a- a+ a-' : 'a+ b+ b- a-')
    expect(clock.sleepers).toBe(0)
  },
)

test('a stop during a backoff waits for nothing', async () => {
  const { agent, clock, start, end, read } = lab()
  const running = await agent.unit('a', [], start('a')).start()
  end('a', new Error('x'))
  await clock.advance(50)
  expect(agent.status()).toMatchObject({ a: { state: 'pausing' } })
  await running.close()
  expect(read()).toBe('a+ a-')
  expect(agent.status()).toMatchObject({ a: { state: 'down' } })
  expect(clock.sleepers).toBe(0)
})

test('a restart closes without draining: only a shutdown drains', async () => {
  const { agent, clock, start, end, read } = lab()
  await using _ = await agent
    .unit('a', [], start('a', { drainMs: 1 }))
    .unit('b', ['a'], start('b', { drainMs: 1 }))
    .start()
  read()
  end('a', new Error('x'))
  await clock.advance(100)
  expect(read()).toBe('b- a- a+ b+')
  void clock.advance(10)
})

test('an exit as wanted during a stop is nothing to tell', async () => {
  const { agent, clock, start, end } = lab()
  const exits: unknown[] = []
  agent.on('exited', (event) => exits.push(event))
  const running = await agent.unit('a', [], start('a', { closeMs: 10 })).start()
  const closing = running.close()
  end('a')
  await clock.advance(10)
  await closing
  expect(exits).toEqual([])
})

test('a need that fails while its dependent is starting: the dependent starts anew with the new one', async () => {
  const { agent, clock, start, end, read } = lab()
  const starting = agent
    .unit('a', [], start('a'))
    .unit('b', ['a'], start('b', { startMs: 50 }))
    .start()
  await clock.advance(20)
  end('a', new Error('x'))
  await clock.advance(130)
  expect(read()).toBe('a+ b+ b- a- a+')
  await clock.advance(50)
  expect(read()).toBe('b+')
  await (await starting).close()
})

test('an exit that rejects during a stop is told and followed by nothing', async () => {
  const { agent, clock, start, end, read } = lab()
  const exits: unknown[] = []
  agent.on('exited', (event) => exits.push(event))
  const running = await agent.unit('a', [], start('a', { closeMs: 10 })).start()
  const closing = running.close()
  const error = new Error('torn')
  end('a', error)
  await clock.advance(10)
  await closing
  expect(exits).toEqual([{ unit: 'a', durationMs: 0, stopping: true, error }])
  expect(read()).toBe('a+ a-')
})

test('a backoff that would let a crash loop go on for ever is refused', () => {
  const { agent, start } = lab({ intensity: { max: 5, perMs: 1_000 } })
  expect(() => agent.unit('a', [], start('a'), { backoff: { minMs: 200, jitter: 'none' } })).toThrow(
    RangeError,
  )
  agent.unit('b', [], start('b'), { backoff: { minMs: 100, maxMs: 100 } })
})

test('a nested agent that gives up is restarted by the outer one', async () => {
  const { agent: outer, clock, start, end, read } = lab()
  const inner = createAgent({ clock, intensity: { max: 0, perMs: 1_000 } }).unit('task', [], start('task'))
  const running = await outer
    .unit('link', [], start('link'))
    .unit('tasks', ['link'], (_, signal) => inner.start(signal))
    .start()
  read()
  end('task', new Error('x'))
  await clock.advance(100)
  expect(read()).toBe('task- task+')
  expect(outer.status()).toMatchObject({
    tasks: { restarts: 1, lastError: { code: 'AGENT_INTENSITY_EXCEEDED' } },
  })
  await running.close()
  expect(read()).toBe('task- link-')
})

test('escalation climbs from a nested agent to the top', async () => {
  const { clock, start, end } = lab()
  const inner = createAgent({ clock, intensity: { max: 0, perMs: 1_000 } }).unit('task', [], start('task'))
  const outer = createAgent({ clock, intensity: { max: 0, perMs: 1_000 } }).unit('inner', [], (_, signal) =>
    inner.start(signal),
  )
  const running = await outer.start()
  const cause = new Error('x')
  const gaveUp = expect(running.exited).rejects.toMatchObject({
    code: 'AGENT_INTENSITY_EXCEEDED',
    cause: { code: 'AGENT_INTENSITY_EXCEEDED', cause },
  })
  end('task', cause)
  await clock.advance(0)
  await gaveUp
})

test('an error that is no error at all takes the same way', async () => {
  const { agent, clock } = lab({ intensity: { max: 0, perMs: 1_000 } })
  const running = await agent.unit('a', [], () => unit({ exited: Promise.reject(undefined) })).start()
  const gaveUp = expect(running.exited).rejects.toMatchObject({ code: 'AGENT_INTENSITY_EXCEEDED' })
  await clock.advance(0)
  await gaveUp
})
