import { createAgent, logEvents } from '@holdfast/agent'
import { createFakeClock } from '@holdfast/core/testing'
import { createMemoryJournal, planRecovery, recoveryLogLevels } from '@holdfast/recovery'
import { expect, test } from 'vitest'

test('a recovery is a unit of an agent, and its events are lines of a logger, by structure alone', async () => {
  const clock = createFakeClock()
  const plan = planRecovery({ rtoMs: { 1: 1_000 }, clock }).step('db', {
    ...{ needs: [], expectMs: 100, state: async () => undefined, healthy: async () => true },
    tier: 1,
    start: async ({ signal }) => {
      await clock.sleep(100, signal)
      return 'db'
    },
  })
  const lines: string[] = []
  const log = (level: string) => (fields: object, message: string) =>
    void lines.push(`${level} ${message} ${'step' in fields ? fields.step : ''}`.trim())
  const logger = { debug: () => undefined, info: log('info'), warn: log('warn'), error: log('error') }
  logEvents(plan, logger, recoveryLogLevels)

  const journal = createMemoryJournal()
  const agent = createAgent({ clock }).unit(
    'recovery',
    [],
    (_, signal) => plan.start({ mode: 'recovery', folder: '/state', journal, signal }),
    { restart: 'temporary' },
  )
  const running = await agent.start()
  expect(agent.status().recovery.state).toBe('up')
  await clock.advance(200)
  expect(agent.status().recovery).toMatchObject({ state: 'finished', lastError: undefined })
  await running.close()
  expect(lines).toEqual(['info began', 'info stepBegan db', 'info ready db', 'info tierReady', 'info ended'])
})
