import { expect, test } from 'vitest'
import { createAgent } from './agent.ts'
import { createLab } from './lab.test.kit.ts'

test('starts each unit once its needs are up, and stops in reverse after draining', async () => {
  const { clock, start, read } = createLab()
  const agent = createAgent({ clock })
    .unit('config', [], start('config', { startMs: 10 }))
    .unit('health', [], start('health'))
    .unit('queue', ['config'], start('queue', { startMs: 30, drainMs: 5 }))
    .unit('store', ['config'], start('store', { startMs: 20 }))
    .unit('uplink', ['queue', 'store'], start('uplink', { drainMs: 7, closeMs: 1 }))
  const starting = agent.start()
  await clock.advance(39)
  expect(read()).toBe('health+ config+ store+')
  await clock.advance(1)
  expect(read()).toBe('queue+ uplink+')
  const running = await starting
  const closing = running.close()
  await clock.advance(100)
  await closing
  expect(read()).toBe('health- uplink~ uplink- store- queue~ queue- config-')
  await running.exited
  expect(clock.sleepers).toBe(0)
})

test('independent units start at the same time', async () => {
  const { clock, start, read } = createLab()
  const agent = createAgent({ clock })
  for (const name of ['a', 'b', 'c']) agent.unit(name, [], start(name, { startMs: 50 }))
  const starting = agent.start()
  await clock.advance(50)
  await starting
  expect(read()).toBe('a+ b+ c+')
})

test('a restarted need gives its dependents the new value', async () => {
  const lab = createLab()
  const seen: number[] = []
  const agent = createAgent({ clock: lab.clock, random: () => 0.5 })
    .unit('queue', [], lab.start('queue'))
    .unit('uplink', ['queue'], (needs) => {
      seen.push((needs.queue as { incarnation: number }).incarnation)
      return lab.start('uplink')(needs, new AbortController().signal)
    })
  await using _ = await agent.start()
  lab.end('queue', new Error('disk'))
  await lab.clock.advance(1_000)
  expect(seen).toEqual([1, 2])
  expect(lab.read()).toBe('queue+ uplink+ uplink- queue- queue+ uplink+')
})

test('when one start fails, the others are aborted, what is up is stopped, and what arrives late is closed', async () => {
  const { clock, start, read } = createLab()
  const bang = new Error('port taken')
  const agent = createAgent({ clock })
    .unit('config', [], start('config'))
    .unit('late', ['config'], start('late', { startMs: 500 }))
    .unit('broken', ['config'], start('broken', { startMs: 100, startError: bang }))
    .unit('never', ['broken'], start('never'))
  const starting = agent.start()
  const rejected = expect(starting).rejects.toMatchObject({
    code: 'AGENT_START_FAILED',
    cause: bang,
    fields: { unit: 'broken' },
  })
  await clock.advance(1_000)
  await rejected
  expect(read()).toBe('config+ late+ late- config-')
  expect(clock.sleepers).toBe(0)
})

test('a start that resolves after its timeout is closed, also long after it was abandoned', async () => {
  const { clock, start, read } = createLab()
  const told: unknown[] = []
  const agent = createAgent({ clock }).unit('slow', [], start('slow', { startMs: 90_000 }), {
    startTimeoutMs: 1_000,
    stopTimeoutMs: 2_000,
  })
  agent.on('abandoned', (event) => told.push(event))
  agent.on('lateClosed', (event) => told.push(event))
  const rejected = expect(agent.start()).rejects.toMatchObject({
    code: 'AGENT_START_FAILED',
    cause: { code: 'UNIT_START_TIMED_OUT', retryable: true },
  })
  await clock.advance(3_000)
  await rejected
  expect(read()).toBe('')
  await clock.advance(87_000)
  expect(read()).toBe('slow+ slow-')
  expect(told).toEqual([
    { unit: 'slow', phase: 'start', durationMs: 3_000 },
    { unit: 'slow', durationMs: 90_000 },
  ])
})

test('the signal aborts a start: its reason arrives after everything was stopped', async () => {
  const { clock, start, read } = createLab()
  const asked = new AbortController()
  const agent = createAgent({ clock })
    .unit('config', [], start('config'))
    .unit('store', ['config'], start('store', { startMs: 100 }))
  const starting = agent.start(asked.signal)
  await clock.advance(50)
  const reason = new Error('enough')
  asked.abort(reason)
  const rejected = expect(starting).rejects.toBe(reason)
  await clock.advance(100)
  await rejected
  expect(read()).toBe('config+ store+ store- config-')
})

test('stop errors do not stop the stop, and are combined', async () => {
  const { clock, start, read } = createLab()
  const one = new Error('one')
  const two = new Error('two')
  const running = await createAgent({ clock })
    .unit('a', [], start('a'))
    .unit('b', ['a'], start('b', { closeError: one }))
    .unit('c', ['b'], start('c', { closeError: two }))
    .start()
  read()
  const closing = running.close()
  await expect(closing).rejects.toMatchObject({ code: 'AGENT_STOP_FAILED', cause: { errors: [two, one] } })
  expect(read()).toBe('a-')
  await expect(running.close()).rejects.toMatchObject({ code: 'AGENT_STOP_FAILED' })
  await running.exited
})

test('a hung stop gets its own timeout, and what needs nothing of it goes on', async () => {
  const { clock, start, read } = createLab()
  const running = await createAgent({ clock })
    .unit('a', [], start('a'))
    .unit('hung', ['a'], start('hung', { closeMs: Number.POSITIVE_INFINITY }), { stopTimeoutMs: 300 })
    .unit('b', [], start('b'))
    .start()
  read()
  const rejected = expect(running.close()).rejects.toMatchObject({
    cause: { errors: [{ code: 'UNIT_STOP_TIMED_OUT', fields: { unit: 'hung', ms: 300 } }] },
  })
  await clock.advance(299)
  expect(read()).toBe('b-')
  await clock.advance(1)
  await rejected
  expect(read()).toBe('a-')
})

test('the budget binds all stops together, and draining leaves time for closing', async () => {
  const { clock, start, read } = createLab()
  const hang = Number.POSITIVE_INFINITY
  const ends: [string, number][] = []
  const agent = createAgent({ clock, stopBudgetMs: 1_000 })
    .unit('a', [], start('a'))
    .unit('b', ['a'], start('b', { closeMs: hang }), { stopTimeoutMs: 5_000 })
    .unit('c', ['b'], start('c', { drainMs: hang, closeMs: 100 }), { stopTimeoutMs: 400 })
  agent.on('drained', ({ unit }) => ends.push([`${unit} drained`, clock.now()]))
  agent.on('stopped', ({ unit }) => ends.push([`${unit} stopped`, clock.now()]))
  agent.on('abandoned', ({ unit, phase }) => ends.push([`${unit} ${phase} abandoned`, clock.now()]))
  const running = await agent.start()
  read()
  const rejected = expect(running.close()).rejects.toMatchObject({ code: 'AGENT_STOP_FAILED' })
  await clock.advance(1_000)
  await rejected
  expect(ends).toEqual([
    ['c drain abandoned', 300],
    ['c drained', 300],
    ['c stopped', 400],
    ['b close abandoned', 1_000],
    ['a stopped', 1_000],
  ])
  expect(read()).toBe('c- a-')
})

test('a drain that hangs leaves time for the close, also where the budget is shorter than its timeout', async () => {
  const { clock, start, read } = createLab()
  const running = await createAgent({ clock, stopBudgetMs: 1_000 })
    .unit('a', [], start('a', { drainMs: Number.POSITIVE_INFINITY, closeMs: 200 }), { stopTimeoutMs: 5_000 })
    .start()
  const rejected = expect(running.close()).rejects.toMatchObject({
    cause: { errors: [{ code: 'UNIT_DRAIN_TIMED_OUT', fields: { unit: 'a', ms: 750 } }] },
  })
  await clock.advance(950)
  await rejected
  expect(read()).toBe('a+ a-')
})

test('an agent runs once at a time, and again after it ended', async () => {
  const { start, read } = createLab()
  const agent = createAgent().unit('a', [], start('a'))
  const running = await agent.start()
  await expect(agent.start()).rejects.toMatchObject({ code: 'AGENT_ALREADY_RUNNING' })
  expect(() => agent.unit('b', [], start('b'))).toThrow(
    expect.objectContaining({ code: 'AGENT_ALREADY_RUNNING' }),
  )
  await running.close()
  await (await agent.start())[Symbol.asyncDispose]()
  expect(read()).toBe('a+ a- a+ a-')
})

test('status tells how each unit stands', async () => {
  const { clock, start } = createLab()
  const agent = createAgent({ clock })
    .unit('a', [], start('a'))
    .unit('b', ['a'], start('b', { startMs: 10 }))
  const states = () => Object.values(agent.status()).map(({ state }) => state)
  expect(states()).toEqual(['down', 'down'])
  const starting = agent.start()
  await clock.advance(1)
  expect(states()).toEqual(['up', 'starting'])
  await clock.advance(9)
  expect(states()).toEqual(['up', 'up'])
  expect(agent.stats()['agent_units_up']?.value).toBe(2)
  await (await starting).close()
  expect(states()).toEqual(['down', 'down'])
})
