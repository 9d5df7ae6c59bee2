import { expect, test } from 'vitest'
import { createPull, type Pull } from './pull.ts'

test('several readers are served in order, and all of them when it ends', async () => {
  const items = [1]
  const pull = createPull(() => items.shift())
  const reads = [pull.next(), pull.next(), pull.next()]
  expect(await reads[0]).toEqual({ done: false, value: 1 })
  items.push(2)
  pull.wake()
  expect(await reads[1]).toEqual({ done: false, value: 2 })
  pull.end()
  expect(await reads[2]).toEqual({ done: true, value: undefined })
})

test('a failure is told once, then it has ended; the first end counts, and drops what is left', async () => {
  const items = [1]
  let ends = 0
  const pull = createPull(
    () => items.shift(),
    () => {
      ends += 1
    },
  )
  pull.end(new Error('broken'))
  pull.end(new Error('again'))
  await expect(pull.next()).rejects.toThrow('broken')
  expect(await pull.next()).toEqual({ done: true, value: undefined })
  expect([items.length, ends]).toEqual([1, 1])
})

test('may be ended by what it takes from', async () => {
  const pull: Pull<number> = createPull<number>(() => {
    pull.end(new Error('broken'))
    return undefined
  })
  await expect(pull.next()).rejects.toThrow('broken')
})

test('return ends it for a reader that waits', async () => {
  const pull = createPull<number>(() => undefined)
  const waiting = pull.next()
  await pull.return?.()
  expect(await waiting).toEqual({ done: true, value: undefined })
})
