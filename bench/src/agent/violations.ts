import { createAgent } from '@holdfast/agent'
import { createFakeClock, createSeededRandom, type FakeClock } from '@holdfast/core/testing'
import type { Round } from '../harness.ts'

interface Part extends AsyncDisposable {
  readonly needs: readonly Part[]
  readonly exited: Promise<void>
  state: 'live' | 'closing' | 'closed'
}

type DeclareUnit = (
  name: string,
  needs: readonly string[],
  start: (values: Record<string, Part>) => Promise<Part>,
) => unknown

/** Over so many random agents: starts on what is not live, closes under what is, and values never closed. */
export async function violations({ quick, round }: Round): Promise<number> {
  const random = createSeededRandom(round + 1)
  let count = 0
  for (let left = quick ? 1_000 : 20_000; left > 0; left -= 1) count += await lifeOf(random)
  return count
}

async function lifeOf(random: () => number): Promise<number> {
  const clock = createFakeClock()
  const parts: Part[] = []
  let faults = 0
  const agent = createAgent({ clock, random, intensity: { max: 20, perMs: 10_000 } })
  const declare = agent.unit as unknown as DeclareUnit
  const names = Array.from({ length: 2 + Math.floor(random() * 10) }, (_, at) => `p${at}`)
  for (const [at, name] of names.entries())
    declare(
      name,
      names.slice(0, at).filter(() => random() < 0.3),
      start,
    )

  const starting = agent.start().catch(() => undefined)
  await clock.advance(5_000)
  const running = await starting
  const closing = running?.close().catch(() => undefined)
  await clock.advance(60_000)
  await closing
  return faults + parts.filter(({ state }) => state !== 'closed').length

  async function start(values: Record<string, Part>): Promise<Part> {
    const needs = Object.values(values)
    if (needs.some(({ state }) => state !== 'live')) faults += 1
    await clock.sleep(random() * 50)
    if (random() < 0.02) throw new Error('start failed')
    const part = openPart(needs)
    parts.push(part)
    return part
  }

  function openPart(needs: readonly Part[]): Part {
    const part: Part = {
      ...{ needs, state: 'live', exited: random() < 0.2 ? failLater(clock, random) : new Promise(() => {}) },
      async [Symbol.asyncDispose]() {
        if (part.state !== 'live') faults += 1
        if (parts.some((other) => other.state !== 'closed' && other.needs.includes(part))) faults += 1
        part.state = 'closing'
        await clock.sleep(random() * 50)
        part.state = 'closed'
        if (random() < 0.1) throw new Error('close failed')
      },
    }
    return part
  }
}

async function failLater(clock: FakeClock, random: () => number): Promise<void> {
  await clock.sleep(random() * 2_000)
  throw new Error('it ended')
}
