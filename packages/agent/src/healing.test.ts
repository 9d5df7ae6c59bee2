import { createEvents } from '@holdfast/core'
import { createFakeClock } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import { createAgent } from './agent.ts'
import { type CheckStanding, startHealing } from './healing.ts'
import { createLab } from './lab.test.kit.ts'

/** Checks that stand as they are told to. */
function createBoard() {
  const events = createEvents<{ changed(check: CheckStanding): void }>()
  const standings = new Map<string, CheckStanding>()
  const set = (name: string, status: string, error?: unknown) => standings.set(name, { name, status, error })
  return {
    on: events.on,
    reports: () => [...standings.values()],
    set,
    turn(name: string, status: string, error?: unknown) {
      set(name, status, error)
      events.emit('changed', { name, status, error })
    },
  }
}

function createHealing(heal?: (why: unknown) => Promise<unknown>) {
  const clock = createFakeClock()
  const health = createBoard()
  const calls: unknown[] = []
  const healing = startHealing({
    health,
    check: 'own',
    heal: heal ?? (async (why) => calls.push([why, clock.now()])),
    pauseMs: 100,
    clock,
  })
  return { clock, health, calls, healing }
}

test('a failure is healed at once, and again after each pause until it is over', async () => {
  const { clock, health, calls, healing } = createHealing()
  health.turn('own', 'unknown')
  health.turn('other', 'fail')
  await clock.advance(1_000)
  health.turn('own', 'fail', 'down')
  await clock.advance(250)
  health.turn('own', 'pass')
  await clock.advance(1_000)
  health.turn('own', 'fail', 'again')
  await clock.advance(0)
  expect(calls).toEqual([
    ['down', 1_000],
    ['down', 1_100],
    ['down', 1_200],
    ['again', 2_250],
  ])
  await healing.close()
  await clock.advance(1_000)
  expect([calls.length, clock.sleepers]).toEqual([4, 0])
  await healing.exited
})

test('steps never overlap, and what turned meanwhile is seen after', async () => {
  const calls: unknown[] = []
  const { clock, health, healing } = createHealing(async (why) => {
    calls.push(why)
    await clock.sleep(500)
  })
  health.turn('own', 'fail', 'first')
  await clock.advance(100)
  health.turn('own', 'pass')
  health.turn('own', 'fail', 'second')
  await clock.advance(399)
  expect(calls).toEqual(['first'])
  await clock.advance(1)
  expect(calls).toEqual(['first', 'second'])
  health.turn('own', 'pass')
  await clock.advance(5_000)
  expect(calls).toHaveLength(2)
  await healing.close()
})

test('a check that fails already has a pause first; a heal that rejects ends the healing', async () => {
  const clock = createFakeClock()
  const health = createBoard()
  health.turn('own', 'fail')
  let calls = 0
  const heal = async (): Promise<never> => {
    calls += 1
    throw new Error('no such unit')
  }
  const healing = startHealing({ health, check: 'own', heal, pauseMs: 100, clock })
  await clock.advance(99)
  expect(calls).toBe(0)
  await clock.advance(1)
  await expect(healing.exited).rejects.toThrow('no such unit')
  await healing.close()
  expect(() => startHealing({ health, check: '', heal })).toThrow(TypeError)
})

test('what the board did not tell is found after the next pause', async () => {
  const { clock, health, calls, healing } = createHealing()
  health.turn('own', 'fail', 'down')
  await clock.advance(0)
  health.turn('own', 'unknown')
  await clock.advance(50)
  health.set('own', 'fail', 'silently')
  await clock.advance(100)
  expect(calls).toEqual([
    ['down', 0],
    ['silently', 100],
  ])
  await healing.close()
})

test('as a unit it climbs the ladder of a unit above, up to the end of the agent', async () => {
  const { clock, start, read } = createLab()
  const health = createBoard()
  const done: unknown[] = []
  const agent = createAgent({ clock, units: { backoff: { minMs: 10, jitter: 'none' } } })
    .unit('work', [], start('work'), {
      heal: [{ name: 'refresh', apply: async () => undefined }, 'restart', 'escalate'],
    })
    .unit('healing', ['work'], (_, __, { heal }) =>
      startHealing({ health, check: 'own', heal: (why) => heal('work', why), pauseMs: 100, clock }),
    )
  agent.on('healed', ({ rung }) => done.push(`${rung} at ${clock.now()}`))
  const running = await agent.start()
  const gaveUp = expect(running.exited).rejects.toMatchObject({ code: 'AGENT_HEAL_ESCALATED', cause: 'down' })
  health.turn('own', 'fail', 'down')
  await clock.advance(1_000)
  await gaveUp
  // The restart took the healing along, which began anew, with the ladder where it was.
  expect(done).toEqual(['refresh at 0', 'restart at 110', 'escalate at 210'])
  expect(read()).toBe('work+ work- work+ work-')
  expect(clock.sleepers).toBe(0)
})
