import type { Random } from '@holdfast/core'
import { createFakeClock, createSeededRandom } from '@holdfast/core/testing'
import { createAgent } from './agent.ts'
import type { RestartType, Startable } from './types.ts'

/** What a seed came to. */
export interface Verdict {
  /** Everything that must not happen and did, with the time. */
  readonly faults: readonly string[]
  readonly starts: number
  readonly end: 'boot failed' | 'gave up' | 'closed'
}

/** One value that a start of a simulated unit made. */
interface Life {
  readonly unit: string
  readonly needs: readonly Life[]
  phase: 'starting' | 'live' | 'closing' | 'over'
  /** The agent said that it left it behind. */
  abandoned: boolean
  drains: number
  closes: number
  value: Startable | undefined
  exit: (error?: Error) => void
}

const stopBudgetMs = 2_000
/** A new one each time: what waits for a promise that is shared is kept by it. */
const never = (): Promise<never> => new Promise(() => {})

/**
 * One random agent's life: a random graph, whose units fail, hang, come late and
 * end at random, until it is closed or gives up. The units themselves watch that
 * nothing starts before its needs or is closed before its dependents.
 */
export async function simulate(seed: number): Promise<Verdict> {
  const random = createSeededRandom(seed)
  const clock = createFakeClock()
  const lives: Life[] = []
  const faults: string[] = []
  const newest = new Map<string, Life>()
  const calm = random() < 0.3
  let quiet = false
  let stopBegan: number | undefined

  const agent = createAgent({
    clock,
    random,
    stopBudgetMs,
    intensity: { max: pick(random, [0, 2, 5, 1_000]), perMs: 10_000 },
    units: { startTimeoutMs: 500, stopTimeoutMs: pick(random, [100, 700, 5_000]), backoff: { maxMs: 9 } },
  })
  const names = declareUnits()
  agent.on('abandoned', ({ unit, phase }) => abandon(unit, phase))
  agent.on('escalated', () => {
    stopBegan ??= clock.now()
  })
  agent.on('agentStopped', () => {
    const tookMs = clock.now() - (stopBegan ?? clock.now())
    if (tookMs > stopBudgetMs) fault(`stop took ${tookMs} ms`)
  })

  const end = await live()
  await clock.advance(100_000)
  for (const life of lives) if (life.value && life.closes !== 1) fault(`${life.unit} leaked`)
  if (clock.sleepers > 0) fault(`${clock.sleepers} timers left`)
  return { faults, starts: lives.length, end }

  function declareUnits(): string[] {
    const count = 1 + Math.floor(random() * 8)
    const declared: string[] = []
    for (let at = 0; at < count; at += 1) {
      const name = `u${at}`
      const needs = declared.filter(() => random() < 0.35)
      const restart: RestartType = pick(random, ['permanent', 'permanent', 'transient', 'temporary'])
      // The compiler cannot know names that are drawn.
      const unit = agent.unit as unknown as (...args: unknown[]) => void
      unit(name, needs, (given: Record<string, Startable>) => start(name, needs, given), { restart })
      declared.push(name)
    }
    return declared
  }

  async function live(): Promise<Verdict['end']> {
    const starting = agent.start().then(
      (running) => ({ running }),
      () => undefined,
    )
    await clock.advance(20_000)
    const started = await starting
    if (!started) return 'boot failed'
    const { running } = started
    let gaveUp = false
    running.exited.catch(() => {
      gaveUp = true
    })
    for (let left = Math.floor(random() * 12); left > 0; left -= 1) await disturb()
    if (random() < 0.5) await checkThatAllIsUp(() => gaveUp)
    stopBegan ??= clock.now()
    const closing = running.close().catch(() => undefined)
    if (random() < 0.3) end_(pick(random, names))
    await clock.advance(stopBudgetMs)
    await closing
    return gaveUp ? 'gave up' : 'closed'
  }

  async function disturb(): Promise<void> {
    await clock.advance(Math.floor(random() * 300))
    const name = pick(random, names)
    if (random() < 0.2) void agent.heal(name as never, 'drawn')
    else end_(name)
    if (random() < 0.3) end_(pick(random, names))
  }

  /** With nothing failing any more, every unit must come up again, but those that are down for good and what needs them. */
  async function checkThatAllIsUp(gaveUp: () => boolean): Promise<void> {
    quiet = true
    await clock.advance(60_000)
    if (gaveUp()) return
    const status = agent.status() as Record<string, { state: string }>
    for (const [name, { state }] of Object.entries(status))
      if (!['up', 'finished', 'down'].includes(state)) fault(`${name} is ${state} after a quiet minute`)
  }

  function start(
    name: string,
    needs: readonly string[],
    given: Record<string, Startable>,
  ): Promise<Startable> {
    const before = newest.get(name)
    if (before && before.phase !== 'over' && !before.abandoned) fault(`${name} started beside itself`)
    const lent = needs.map((need) => lives.find(({ value }) => value === given[need])!)
    for (const life of lent)
      if (life.phase !== 'live') fault(`${name} started on a ${life.unit} that is ${life.phase}`)
    const life: Life = {
      ...{ unit: name, needs: lent, phase: 'starting', abandoned: false, drains: 0, closes: 0 },
      value: undefined,
      exit: () => {},
    }
    lives.push(life)
    newest.set(name, life)
    return begin(life)
  }

  async function begin(life: Life): Promise<Startable> {
    const fate = bad() ? random() : 1
    if (fate < 0.2) throw over(life, new Error('start failed'))
    if (fate < 0.3) return never()
    await pause(fate < 0.5 ? 3_000 : 50)
    if (fate < 0.6) throw over(life, new Error('start failed late'))
    life.phase = 'live'
    const exited = new Promise<void>((resolve, reject) => {
      life.exit = (error) => (error ? reject(error) : resolve())
    })
    life.value = { exited, drain: () => drain(life), [Symbol.asyncDispose]: () => close(life) }
    return life.value
  }

  async function drain(life: Life): Promise<void> {
    life.drains += 1
    if (life.drains > 1 || life.closes > 0)
      fault(`${life.unit} drained ${life.drains} times, or after its close`)
    if (bad() && random() < 0.2) return never()
    await pause(100)
    if (bad() && random() < 0.1) throw new Error('drain failed')
  }

  async function close(life: Life): Promise<void> {
    life.closes += 1
    if (life.closes > 1) fault(`${life.unit} closed twice`)
    for (const other of lives)
      if (other.needs.includes(life) && other.phase !== 'over' && !other.abandoned)
        fault(`${life.unit} closed under a ${other.unit} that is ${other.phase}`)
    life.phase = 'closing'
    if (bad() && random() < 0.2) return never()
    await pause(200)
    life.phase = 'over'
    if (bad() && random() < 0.2) throw new Error('close failed')
  }

  function end_(name: string): void {
    newest.get(name)?.exit(random() < 0.8 ? new Error('ended') : undefined)
  }

  function abandon(unit: string, phase: string): void {
    const life = newest.get(unit)
    if (life && phase !== 'drain') life.abandoned = true
  }

  async function pause(longestMs: number): Promise<void> {
    if (random() < 0.6) await clock.sleep(Math.floor(random() * longestMs))
  }

  function bad(): boolean {
    return !calm && !quiet && random() < 0.3
  }

  function over(life: Life, error: Error): Error {
    life.phase = 'over'
    return error
  }

  function fault(what: string): void {
    faults.push(`${clock.now()} ms: ${what}`)
  }
}

function pick<T>(random: Random, choices: readonly T[]): T {
  return choices[Math.floor(random() * choices.length)] as T
}
