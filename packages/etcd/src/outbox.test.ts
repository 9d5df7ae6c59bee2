import { createFakeClock } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import { createOutbox } from './outbox.ts'

test('the first goes at once, those that follow go together, and after a pause the next goes at once again', async () => {
  const clock = createFakeClock()
  const written: [number, number][] = []
  const outbox = createOutbox<number>({
    gatherMs: 40,
    clock,
    write: (message) => written.push([message, clock.now()]),
  })
  const start = clock.now()
  const sendAt = async (message: number, ms: number): Promise<void> => {
    await clock.advance(start + ms - clock.now())
    outbox.send(message)
  }
  await sendAt(1, 0)
  await sendAt(2, 10)
  await sendAt(3, 30)
  await sendAt(4, 50)
  await sendAt(5, 200)
  expect(written.map(([message, ms]) => [message, ms - start])).toEqual([
    [1, 0],
    [2, 40],
    [3, 40],
    [4, 80],
    [5, 200],
  ])
  outbox.send(6)
  outbox.clear()
  await clock.advance(1_000)
  expect([written.length, clock.sleepers]).toEqual([5, 0])
  outbox.send(7)
  expect(written.at(-1)).toEqual([7, clock.now()])
})

test('what comes in masses is written in portions, in order', async () => {
  const clock = createFakeClock()
  const written: number[] = []
  const outbox = createOutbox<number>({ gatherMs: 40, clock, write: (message) => written.push(message) })
  for (let message = 0; message < 600; message += 1) outbox.send(message)
  const counts: number[] = []
  for (const ms of [0, 40, 10, 10, 10]) {
    await clock.advance(ms)
    counts.push(written.length)
  }
  expect(counts).toEqual([1, 251, 501, 600, 600])
  expect(written).toEqual(Array.from({ length: 600 }, (_, message) => message))
})
