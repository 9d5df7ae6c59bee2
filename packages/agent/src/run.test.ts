import { EventEmitter } from 'node:events'
import { expect, test } from 'vitest'
import { createAgent } from './agent.ts'
import { createLab } from './lab.test.kit.ts'

class FakeProcess extends EventEmitter {
  exitCode: number | undefined
  readonly exits: number[] = []
  exit(code: number): void {
    this.exits.push(code)
  }
}

function lab() {
  const own = createLab()
  const process = new FakeProcess()
  return {
    ...own,
    process,
    agent: createAgent({ clock: own.clock }).unit('a', [], own.start('a', { drainMs: 10 })),
  }
}

test('a signal drains and stops; run resolves and leaves nothing on the process', async () => {
  const { agent, clock, process, read } = lab()
  const running = agent.run({ process })
  await clock.advance(5)
  process.emit('SIGTERM')
  await clock.advance(10)
  await running
  expect(read()).toBe('a+ a~ a-')
  expect([process.exitCode, process.exits, process.eventNames()]).toEqual([0, [], []])
})

test('a second signal ends the process at once', async () => {
  const { agent, clock, process, read } = lab()
  const running = agent.run({ process })
  await clock.advance(5)
  process.emit('SIGTERM')
  process.emit('SIGINT')
  expect(process.exits).toEqual([130])
  process.emit('SIGTERM')
  expect(process.exits).toEqual([130, 143])
  expect(read()).toBe('a+')
  await clock.advance(10)
  await running
})

test('a signal during the start aborts it, and run resolves', async () => {
  const { clock, process, start, read } = lab()
  const running = createAgent({ clock })
    .unit('a', [], start('a'))
    .unit('b', [], start('b', { startMs: 100 }))
    .run({ process })
  await clock.advance(5)
  process.emit('SIGINT')
  await clock.advance(95)
  await running
  expect([read(), process.exitCode]).toEqual(['a+ a- b+ b-', 0])
})

test.each([
  ['AGENT_START_FAILED', 69, { startError: new Error('x') }, 0],
  ['AGENT_INTENSITY_EXCEEDED', 70, {}, 1],
  ['AGENT_STOP_FAILED', 74, { closeError: new Error('x') }, 0],
] as const)(
  '%s leaves exit code %i, also when Node ends with 1',
  async (code, exitCode, behaviour, failures) => {
    const { clock, process, start, end } = lab()
    const agent = createAgent({ clock, intensity: { max: 0, perMs: 1 } }).unit('a', [], start('a', behaviour))
    const rejected = expect(agent.run({ process })).rejects.toMatchObject({ code })
    await clock.advance(1)
    for (let left: number = failures; left > 0; left -= 1) end('a', new Error('y'))
    process.emit('SIGTERM')
    await rejected
    expect(process.exitCode).toBe(exitCode)
    process.exitCode = 1
    process.emit('exit')
    expect(process.exitCode).toBe(exitCode)
  },
)

test('an aborted signal drains and stops; one that has aborted before starts nothing', async () => {
  const { agent, clock, read } = lab()
  const asked = new AbortController()
  const running = agent.run({ signal: asked.signal })
  await clock.advance(5)
  asked.abort()
  await clock.advance(10)
  await running
  expect(read()).toBe('a+ a~ a-')
  await agent.run({ signal: asked.signal })
  expect(read()).toBe('')
})
