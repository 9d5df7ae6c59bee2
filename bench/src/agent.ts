import { once } from 'node:events'
import { createServer } from 'node:net'
import { createAgent } from '@holdfast/agent'
import { createFakeClock, createSeededRandom } from '@holdfast/core/testing'
import { violations } from './agent/violations.ts'
import type { Benchmark, Round } from './harness.ts'

interface Shape {
  readonly name: string
  readonly needs: readonly string[]
}

type Open = () => Promise<AsyncDisposable>

/** Next to nothing: one turn of the event loop at the start, one at the close. */
async function openTurn(): Promise<AsyncDisposable> {
  await turn()
  return { [Symbol.asyncDispose]: turn }
}

/** The least that a real part does: it holds a socket. */
async function openServer(): Promise<AsyncDisposable> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  return server
}

function turn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve))
}

/** So many layers of equally many parts, each part on two of the layer above it. */
function layered(layers: number, perLayer: number): readonly Shape[] {
  return Array.from({ length: layers * perLayer }, (_, at) => {
    const layer = Math.floor(at / perLayer)
    const above = (offset: number) => `p${(layer - 1) * perLayer + ((at + offset) % perLayer)}`
    return { name: `p${at}`, needs: layer === 0 ? [] : [...new Set([above(0), above(1)])] }
  })
}

/** The compiler checks names that stand in the code; these are made. */
type DeclareUnit = (name: string, needs: readonly string[], start: () => Promise<AsyncDisposable>) => unknown

async function agentMs(shapes: readonly Shape[], open: Open): Promise<number> {
  const began = performance.now()
  const agent = createAgent()
  const declare = agent.unit as unknown as DeclareUnit
  for (const { name, needs } of shapes) declare(name, needs, open)
  const running = await agent.start()
  await running.close()
  return performance.now() - began
}

/** The same by hand: each layer awaited as one, and closed in reverse. */
async function bareMs(shapes: readonly Shape[], perLayer: number, open: Open): Promise<number> {
  const began = performance.now()
  const layers: AsyncDisposable[][] = []
  for (let at = 0; at < shapes.length; at += perLayer)
    layers.push(await Promise.all(shapes.slice(at, at + perLayer).map(open)))
  for (const layer of layers.reverse()) await Promise.all(layer.map((part) => part[Symbol.asyncDispose]()))
  return performance.now() - began
}

/** The middle one of several, after warming up: one run takes milliseconds. */
async function median(quick: boolean, run: () => Promise<number>): Promise<number> {
  const times: number[] = []
  for (let left = quick ? 7 : 25; left > 0; left -= 1) times.push(await run())
  return times.sort((a, b) => a - b)[times.length >> 1] ?? Number.NaN
}

function startAndStop(layers: number, perLayer: number, open: Open) {
  const shapes = layered(layers, perLayer)
  return {
    unit: 'ms',
    target: { of: 'ratio', is: '<=', value: 3 },
    quick: true,
    ours: ({ quick }: Round) => median(quick, () => agentMs(shapes, open)),
    peer: {
      name: 'awaited bare',
      measure: ({ quick }: Round) => median(quick, () => bareMs(shapes, perLayer, open)),
    },
  } as const
}

/** How many of so many agents took longer to stop than their budget, any subset of their units hanging. */
async function overruns({ quick, round }: Round): Promise<number> {
  let late = 0
  const random = createSeededRandom(round + 1)
  for (let left = quick ? 300 : 3_000; left > 0; left -= 1) {
    const clock = createFakeClock()
    const agent = createAgent({ clock, stopBudgetMs: 1_000 })
    const declare = agent.unit as unknown as DeclareUnit
    for (const { name, needs } of layered(3, 4)) {
      const hangs = random() < 0.3
      const close = () => (hangs ? new Promise<void>(() => {}) : clock.sleep(random() * 200))
      declare(name, needs, async () => ({ [Symbol.asyncDispose]: close }))
    }
    const running = await agent.start()
    const began = clock.now()
    let ended = began
    const closing = running.close().finally(() => {
      ended = clock.now()
    })
    await Promise.all([closing.catch(() => undefined), clock.advance(5_000)])
    if (ended - began > 1_000) late += 1
  }
  return late
}

export const benchmark: Benchmark = {
  name: 'agent',
  rows: [
    {
      id: 'servers-1000',
      title: 'start and stop 1,000 units in 10 layers, each a listening socket',
      ...startAndStop(10, 100, openServer),
    },
    {
      id: 'turns-1000',
      title: 'the same, each two turns of the event loop',
      ...startAndStop(10, 100, openTurn),
    },
    {
      id: 'chain-100',
      title: 'a chain of 100 such units',
      ...startAndStop(100, 1, openTurn),
    },
    {
      id: 'order-violations',
      title: 'order violations and leaks over 20,000 random graphs with random failures (quick: 1,000)',
      unit: 'faults',
      target: { of: 'ours', is: '<=', value: 0 },
      quick: true,
      rounds: 1,
      ours: violations,
    },
    {
      id: 'stop-overruns',
      title: 'stops beyond the budget, any subset of 12 units hung',
      unit: 'stops',
      target: { of: 'ours', is: '<=', value: 0 },
      quick: true,
      rounds: 1,
      ours: overruns,
    },
  ],
}
