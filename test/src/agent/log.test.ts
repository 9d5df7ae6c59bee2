import { Writable } from 'node:stream'
import { agentLogLevels, createAgent, exitCodeOf, logEvents } from '@holdfast/agent'
import { pino } from 'pino'
import { expect, test, vi } from 'vitest'

/** An agent whose one unit fails once it is up, and which gives up at once. */
function createFailing() {
  return createAgent({ intensity: { max: 0, perMs: 1_000 } }).unit('worker', [], () => ({
    exited: Promise.reject(new Error('disk gone')),
    [Symbol.asyncDispose]: async () => {},
  }))
}

const story = ['started', 'agentStarted', 'exited', 'escalated', 'stopped', 'agentStopped']

test('pino gets the events as lines, errors with their causes', async () => {
  const lines: Record<string, unknown>[] = []
  const output = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)) as Record<string, unknown>)
      done()
    },
  })
  const agent = createFailing()
  logEvents(agent, pino({ level: 'debug' }, output), agentLogLevels)
  const error = await agent.run().catch((reason: unknown) => reason)
  expect(exitCodeOf(error)).toBe(70)
  expect(lines.map(({ msg }) => msg)).toEqual(story)
  const labels = lines.map(({ level }) => pino.levels.labels[level as number])
  expect(labels).toEqual(['info', 'info', 'warn', 'error', 'info', 'info'])
  expect(lines[2]).toMatchObject({ unit: 'worker', stopping: false, err: { message: 'disk gone' } })
  expect(lines[3]).toMatchObject({ err: { code: 'AGENT_INTENSITY_EXCEEDED', stack: expect.any(String) } })
  expect(JSON.stringify(lines[3])).toContain('disk gone')
})

test('console gets them, too', async () => {
  const said: unknown[] = []
  for (const level of ['debug', 'info', 'warn', 'error'] as const)
    vi.spyOn(console, level).mockImplementation((_fields, message) => said.push(message))
  const agent = createFailing()
  logEvents(agent, console, agentLogLevels)
  await expect(agent.run()).rejects.toMatchObject({ code: 'AGENT_INTENSITY_EXCEEDED' })
  vi.restoreAllMocks()
  expect(said).toEqual(story)
})
