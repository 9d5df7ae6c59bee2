import { createFakeClock } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import type { Gate } from './check.ts'
import { startHealth } from './health.ts'
import { startTraffic } from './traffic.ts'

const gates = ['startup', 'ready', 'live'] as const

function start(traffic?: 'open' | 'held') {
  const clock = createFakeClock()
  const health = startHealth({ clock, eventLoop: false, drainDelayMs: 300, ...(traffic ? { traffic } : {}) })
  const open = (): Gate[] => gates.filter((gate) => health.isOpen(gate))
  return { clock, health, open }
}

test('held: nothing but live passes before traffic is admitted, and startup never fails again after', async () => {
  const { health, open } = start('held')
  expect(open()).toEqual(['live'])
  expect(health.probe('ready').why).toContain('not everything is up')
  const traffic = startTraffic({ health })
  expect(open()).toEqual(['startup', 'ready', 'live'])
  await traffic.close()
  await traffic[Symbol.asyncDispose]()
  expect(open()).toEqual(['startup', 'live'])
  startTraffic({ health })
  expect(open()).toEqual(['startup', 'ready', 'live'])
  await health.close()
})

test('two of them: ready until both have gone', async () => {
  const { health, open } = start('held')
  const traffics = [startTraffic({ health }), startTraffic({ health })]
  await traffics[0]?.close()
  await traffics[0]?.close()
  expect(open()).toContain('ready')
  await traffics[1]?.close()
  expect(open()).not.toContain('ready')
  await health.close()
})

test('open, the default: passes without being admitted, fails once the admitted has gone', async () => {
  const { health, open } = start()
  expect(open()).toContain('ready')
  await startTraffic({ health }).close()
  expect(open()).not.toContain('ready')
  await health.close()
})

test('drains first: ready fails at once, the delay passes, live stays', async () => {
  const { clock, health, open } = start('held')
  const traffic = startTraffic({ health })
  let drained = false
  void traffic.drain?.().then(() => {
    drained = true
  })
  expect(open()).toEqual(['startup', 'live'])
  await clock.advance(299)
  expect(drained).toBe(false)
  await clock.advance(1)
  expect(drained).toBe(true)
  await traffic.close()
  await health.close()
})

test('bad options are refused by name', () => {
  expect(() => startHealth({ traffic: 'some' as never })).toThrow('traffic must be one of')
  expect(() => startTraffic({ health: {} as never })).toThrow('health must have admit()')
})
