import { createFakeClock, createSeededRandom } from '@holdfast/core/testing'
import { type Check, startHealth } from '@holdfast/health'

/** The share, in per cent, of checks hanging from a random run on that no longer pass `staleAfterMs` after their last answer. */
export async function hangsVisible(checks: number, seed: number): Promise<number> {
  const clock = createFakeClock()
  const random = createSeededRandom(seed)
  const answeredAt = new Map<string, number>()
  const planned = Array.from({ length: checks }, (_, at) => hangingCheck(`check-${at}`))
  await using health = startHealth({ clock, random, eventLoop: false, checks: planned })
  const late = new Set<string>()
  for (let step = 0; step < 600; step += 1) {
    await clock.advance(100)
    for (const { name, status } of health.reports()) {
      const stale =
        clock.now() - answeredAt.get(name)! > planned.find((check) => check.name === name)!.staleAfterMs!
      if (stale && status === 'pass') late.add(name)
    }
  }
  return (100 * (checks - late.size)) / checks

  function hangingCheck(name: string): Check {
    const intervalMs = 500 + 4_000 * random()
    const timeoutMs = 100 + 2_000 * random()
    const staleAfterMs = intervalMs + timeoutMs + 3_000 * random()
    const hangsAfter = 1 + Math.floor(5 * random())
    let runs = 0
    const run = async (): Promise<void> => {
      if (++runs > hangsAfter) await new Promise(() => {})
      answeredAt.set(name, clock.now())
    }
    return { name, intervalMs, timeoutMs, staleAfterMs, failAfter: 100, run }
  }
}

/** How much of a core, in per cent, a thousand checks that each run every second cost. */
export async function cpuOfChecks(checks: number, seconds: number): Promise<number> {
  const planned = Array.from({ length: checks }, (_, at) => ({
    name: `check-${at}`,
    intervalMs: 1_000,
    run: async () => ({ value: at, unit: 'none' }),
  }))
  await using health = startHealth({ checks: planned })
  await new Promise((resolve) => setTimeout(resolve, 1_500))
  const began = process.hrtime.bigint()
  const before = process.cpuUsage()
  await new Promise((resolve) => setTimeout(resolve, seconds * 1_000))
  const { user, system } = process.cpuUsage(before)
  const elapsedUs = Number(process.hrtime.bigint() - began) / 1_000
  if (!health.probe('ready').ok) throw new Error('the checks do not pass')
  return (100 * (user + system)) / elapsedUs
}
