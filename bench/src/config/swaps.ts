import { performance } from 'node:perf_hooks'
import { memorySource, openConfig } from '@holdfast/config'
import type { Round } from '../harness.ts'
import { documentOf, percentile, schema } from './document.ts'

/** From the moment in which the new part is open, which is just before the swap, to each listener's call. */
export async function listenersAfterSwap({ quick }: Round): Promise<number> {
  const source = memorySource(documentOf(0))
  await using config = await openConfig({ schema, sources: [source] })
  let opened = 0
  await config.derive({
    name: 'part',
    select: (value) => value.limit,
    open: async (limit) => {
      opened = performance.now()
      return limit
    },
  })
  const delays: number[] = []
  for (let index = 0; index < 10_000; index += 1)
    config.on('applied', () => {
      delays.push(performance.now() - opened)
    })
  const warmUps = 5
  for (let limit = 1; limit <= warmUps + (quick ? 20 : 100); limit += 1) {
    if (limit === warmUps + 1) delays.length = 0
    source.set(documentOf(limit))
    await config.refresh()
  }
  return percentile(delays, 0.99)
}

/** Readers in the gaps between all steps of an apply: each must see one value, and the part that belongs to it. */
export async function tornReads({ quick }: Round): Promise<number> {
  const [swaps, readsEach] = [quick ? 10_000 : 100_000, 100]
  const source = memorySource({ limit: 0, copyOfLimit: 0 })
  await using config = await openConfig({ schema, sources: [source], settleMs: [0, 0] })
  const part = await config.derive({
    name: 'part',
    select: (value) => value.limit,
    open: async (limit) => ({ limit }),
  })
  let torn = 0
  for (let swap = 1; swap <= swaps; swap += 1) {
    source.set({ limit: swap, copyOfLimit: swap })
    const applying = config.refresh()
    for (let read = 0; read < readsEach; read += 1) {
      const { limit, copyOfLimit } = config.value
      if (limit !== copyOfLimit || part.current.limit !== limit) torn += 1
      await undefined
    }
    await applying
    if (config.value.limit !== swap) throw new Error('a swap was lost')
  }
  return torn
}
