import { expect, test } from 'vitest'
import { createEvents } from './events.ts'

interface TestEvents {
  counted(n: number): void
}

test('a listener that throws does not starve the next, and its error is heard', () => {
  const events = createEvents<TestEvents>()
  const seen: unknown[] = []
  events.on('listenerError', (error, event) => seen.push([(error as Error).message, event]))
  events.on('counted', () => {
    throw new Error('bad listener')
  })
  events.on('counted', (n) => seen.push(n))
  events.emit('counted', 1)
  expect(seen).toEqual([['bad listener', 'counted'], 1])
})

test('a listener whose promise rejects is heard as well', async () => {
  const events = createEvents<{ counted(n: number): Promise<void> }>()
  const seen: unknown[] = []
  events.on('listenerError', (error) => seen.push((error as Error).message))
  events.on('counted', async () => {
    throw new Error('later')
  })
  events.emit('counted', 1)
  await Promise.resolve()
  expect(seen).toEqual(['later'])
})

for (const [title, subscribe] of [
  ['an error that nobody hears', () => undefined],
  [
    'an error of the error listener',
    (events: ReturnType<typeof createEvents<TestEvents>>) =>
      events.on('listenerError', (error) => {
        throw error
      }),
  ],
] as const) {
  test(`${title} becomes an uncaught exception`, async () => {
    const uncaught = new Promise((resolve) => {
      const others = process.listeners('uncaughtException')
      process.removeAllListeners('uncaughtException')
      process.once('uncaughtException', (error) => {
        for (const other of others) process.on('uncaughtException', other)
        resolve(error.message)
      })
    })
    const events = createEvents<TestEvents>()
    subscribe(events)
    events.on('counted', () => {
      throw new Error('unheard')
    })
    events.emit('counted', 1)
    expect(await uncaught).toBe('unheard')
  })
}

test('unsubscribing takes one listener, once, also while events are sent', () => {
  const events = createEvents<TestEvents>()
  const seen: string[] = []
  const listener = (): void => void seen.push('twice')
  const off = events.on('counted', listener)
  events.on('counted', listener)
  events.on('counted', () => {
    off()
    off()
  })
  events.emit('counted', 1)
  events.emit('counted', 2)
  expect(seen).toEqual(['twice', 'twice', 'twice'])
})
