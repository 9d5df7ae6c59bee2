import { createEvents } from '@holdfast/core'
import { expect, expectTypeOf, test } from 'vitest'
import { createAgent } from './agent.ts'
import { createLab } from './lab.test.kit.ts'
import { agentLogLevels, type Logger, logEvents } from './log.ts'

function createLines() {
  const lines: unknown[] = []
  const write = (level: string) => (fields: object, message: string) => lines.push([level, message, fields])
  const logger: Logger = {
    debug: write('debug'),
    info: write('info'),
    warn: write('warn'),
    error: write('error'),
  }
  return { lines, logger }
}

test('an agent’s events become lines', async () => {
  const { clock, start, end } = createLab()
  const { lines, logger } = createLines()
  const agent = createAgent({ clock, intensity: { max: 0, perMs: 1 } }).unit('a', [], start('a'))
  logEvents(agent, logger, agentLogLevels)
  const running = await agent.start()
  const gaveUp = expect(running.exited).rejects.toThrow()
  const err = new Error('x')
  end('a', err)
  await gaveUp
  expect(lines).toMatchObject([
    ['info', 'started', { unit: 'a', durationMs: 0 }],
    ['info', 'agentStarted', { durationMs: 0 }],
    ['warn', 'exited', { unit: 'a', stopping: false, err }],
    ['error', 'escalated', { err: { code: 'AGENT_INTENSITY_EXCEEDED' } }],
    ['info', 'stopped', { unit: 'a' }],
    ['info', 'agentStopped', { durationMs: 0 }],
  ])
})

test('any emitter will do, and a listener’s own error is logged', () => {
  const { lines, logger } = createLines()
  const events = createEvents<{ lost(key: string, at: number): void; idle(): void; quiet(): void }>()
  const unsubscribe = logEvents(events, logger, { lost: 'warn', idle: 'debug' })
  events.on('quiet', () => {
    throw new Error('listener')
  })
  events.emit('lost', 'k', 7)
  events.emit('idle')
  events.emit('quiet')
  expect(lines).toEqual([
    ['warn', 'lost', { args: ['k', 7] }],
    ['debug', 'idle', {}],
    ['error', 'listenerError', { args: [new Error('listener'), 'quiet'] }],
  ])
  unsubscribe()
  events.emit('idle')
  expect(lines.length).toBe(3)
})

test('console is a logger', () => {
  expectTypeOf<Console>().toExtend<Logger>()
})
