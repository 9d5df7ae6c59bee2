import { isHoldfastError, type Random } from '@holdfast/core'
import { createFakeClock, createSeededRandom } from '@holdfast/core/testing'
import { buildGraph } from './graph.ts'
import type { Journal, JournalRecord } from './journal/journal.ts'
import { createMemoryJournal } from './journal/memory.ts'
import { planRecovery } from './plan.ts'
import { type Report, reportOf } from './report.ts'
import type { AnyStep } from './settings.ts'
import type { Plan, StepContext } from './types.ts'

/** What a seed came to. */
export interface Verdict {
  /** Everything that must not happen and did, with the time. */
  readonly faults: readonly string[]
  readonly report: Report
  readonly starts: number
  readonly deaths: number
}

/** One simulated service, and what it does in this seed. */
interface Service {
  readonly name: string
  readonly tier: number
  readonly needs: readonly string[]
  readonly ms: number
  /** How many more calls of each kind fail. */
  readonly failures: { verify: number; start: number; traffic: number }
  readonly attempts: number
  /** A failed start leaves it up all the same. */
  readonly comesUpAnyway: boolean
  up: { readonly key: string } | undefined
  /** Not healthy before, and for a while after it first was. */
  healthyFromMs: number
  readonly relapseMs: number
  relapsed: boolean
  /** By which process. */
  verifiedBy: number
  open: boolean
}

const rtoMs = { 1: 300, 2: 900, 3: 2_500 }

/** One for each: all that waits on a promise lives as long as the promise does. */
function dead(): Promise<never> {
  return new Promise<never>(() => {})
}

/**
 * One random plan, whose services fail, relapse and come late at random, and
 * whose orchestrator dies at random and is started again on its journal. The
 * services themselves watch that nothing is started twice, unverified or
 * before what it needs, and that traffic opens on healthy ground only.
 */
export async function simulate(seed: number): Promise<Verdict> {
  const random = createSeededRandom(seed)
  const clock = createFakeClock()
  const faults: string[] = []
  const mode = random() < 0.3 ? 'drill' : 'recovery'
  const slots = 1 + Math.floor(random() * 4)
  const calm = random() < 0.3
  const services = drawServices(random, calm)
  const byName = new Map(services.map((service) => [service.name, service]))
  const graph = buildGraph(services)
  const declaredAt = clock.wall() - (random() < 0.3 ? Math.floor(random() * 1_000) : 0)
  const journal = createMemoryJournal()
  let process = 0
  let starts = 0
  let deaths = 0

  let report: Report | undefined
  for (let deathsLeft = calm ? 0 : Math.floor(random() * 4); !report; deathsLeft -= 1) {
    process += 1
    const plan = declarePlan(process)
    watchOrder(plan, process)
    const running = plan.run({ mode, folder: '/state', journal: mortal(process), declaredAt })
    running.then(
      (value) => {
        report = value
      },
      (error) => {
        // The process before died with its last record written, and nobody left to be told.
        const over = isHoldfastError(error, 'JOURNAL_ENDED') && journal.records.at(-1)?.type === 'ended'
        if (over) report = reportOf(journal.records)
        else fault(`rejected: ${error}`)
      },
    )
    await clock.advance(deathsLeft > 0 ? Math.floor(random() * 400) : 100_000)
    if (report) break
    if (deathsLeft <= 0) throw new Error(`seed ${seed}: the run does not end`)
    deaths += 1
    for (const service of services) if (random() < 0.3) service.relapsed = true
  }
  checkReport(report!)
  return { faults, report: report!, starts, deaths }

  function declarePlan(own: number): Plan<Record<string, unknown>, number> {
    const plan = planRecovery({ rtoMs, slots, clock, random })
    const declare = plan.step as unknown as (name: string, step: AnyStep) => void
    for (const service of services) declare(service.name, stepOf(service, own))
    return plan as unknown as Plan<Record<string, unknown>, number>
  }

  function stepOf(service: Service, own: number): AnyStep {
    const { name, tier, needs, ms, attempts, failures } = service
    /** What a dead process was about to do does not happen. */
    const alive = async (pauseMs: number): Promise<void> => {
      if (own !== process) return await dead()
      if (pauseMs > 0) await clock.sleep(pauseMs)
      if (own !== process) return await dead()
    }
    return {
      ...{ tier, needs, expectMs: ms, attempts, backoff: { minMs: 5 }, pollMs: 7, healthyTimeoutMs: 500 },
      state: async ({ key }) => {
        await alive(0)
        return service.up?.key === key ? name : undefined
      },
      verify: async () => {
        await alive(Math.floor(ms / 4))
        failures.verify -= 1
        if (failures.verify >= 0) throw new Error('damaged')
        service.verifiedBy = own
      },
      start: async (context) => {
        begin(service, context)
        await alive(Math.floor(ms / 2))
        failures.start -= 1
        if (failures.start < 0 || service.comesUpAnyway) {
          service.up = { key: context.key }
          service.healthyFromMs = clock.now() + ms / 4
        }
        await alive(Math.floor(ms / 2))
        if (failures.start >= 0) throw new Error('did not start')
        return name
      },
      healthy: async () => {
        await alive(0)
        return isHealthy(service)
      },
      traffic: async () => {
        checkTraffic(service)
        await alive(3)
        failures.traffic -= 1
        if (failures.traffic >= 0) throw new Error('load balancer said no')
        service.open = true
      },
      stop: async () => {
        await alive(1)
        for (const other of services)
          if (other.needs.includes(name) && other.up) fault(`${name} stopped under ${other.name}`)
        service.up = undefined
      },
    }
  }

  function begin(service: Service, { needs }: StepContext): void {
    starts += 1
    if (service.up) fault(`${service.name} started twice`)
    if (service.verifiedBy !== process) fault(`${service.name} started unverified`)
    for (const need of service.needs) {
      if (!byName.get(need)!.up) fault(`${service.name} started without ${need}`)
      if (mode === 'recovery' && !byName.get(need)!.open)
        fault(`${service.name} started before ${need} was open`)
      if ((needs as Record<string, unknown>)[need] !== need) fault(`${service.name} was not handed ${need}`)
    }
  }

  function checkTraffic(service: Service): void {
    if (mode === 'drill') fault(`${service.name} let traffic into a drill`)
    for (const name of [service.name, ...graph.ancestors.get(service.name)!])
      if (!isHealthy(byName.get(name)!)) fault(`traffic of ${service.name} opened on a sick ${name}`)
  }

  function isHealthy(service: Service): boolean {
    if (!service.up || clock.now() < service.healthyFromMs) return false
    if (service.relapsed || service.relapseMs === 0) return true
    service.relapsed = true // Healthy once, then sick for a while.
    service.healthyFromMs = clock.now() + service.relapseMs
    return true
  }

  /** At each begin no slot is overdrawn, and nobody of lower urgency who could begin waits. */
  function watchOrder(plan: Plan<Record<string, unknown>, number>, own: number): void {
    const waiting = new Set(services.map(({ name }) => name))
    const working = new Set<string>()
    const readyAt = new Map<string, number>()
    const setReady = ({ step }: { step: string }): unknown => readyAt.set(step, clock.now())
    // What becomes ready in the same instant has no order.
    const wasReady = (need: string): boolean => (readyAt.get(need) ?? clock.now()) < clock.now()
    const leave = ({ step }: { step: string }): void => {
      waiting.delete(step)
      working.delete(step)
    }
    plan.on('phaseBegan', ({ step, phase, attempt }) => {
      if (phase !== 'state' || attempt !== 1 || own !== process) return
      waiting.delete(step)
      working.add(step)
      if (working.size > slots) fault(`${working.size} steps in ${slots} slots`)
      const urgency = graph.urgency.get(step)!
      for (const name of waiting)
        if (graph.urgency.get(name)! < urgency && byName.get(name)!.needs.every(wasReady))
          fault(`${step} began before ${name}`)
    })
    plan.on('ready', setReady)
    plan.on('ready', leave)
    plan.on('failed', leave)
    plan.on('skipped', leave)
    // What had been ready and is found so again is told by no other event.
    plan.on('phaseEnded', ({ step, phase, error }) => {
      const past = phase === 'healthy' && error === undefined && found.has(step)
      if (!past || !confirmed(step)) return
      setReady({ step })
      leave({ step })
    })
    const found = new Set<string>()
    plan.on('found', ({ step }) => found.add(step))
    const before = [...journal.records]
    const confirmed = (step: string): boolean => {
      const last = before.findLast(
        (record) =>
          'step' in record && record.step === step && ['ready', 'failed', 'began'].includes(record.type),
      )
      return last?.type === 'ready'
    }
  }

  function mortal(own: number): Journal {
    return {
      read: () => journal.read(),
      append: async (record: JournalRecord) => {
        if (own !== process) return await dead()
        await journal.append(record)
        if (random() < 0.2) await clock.sleep(1)
        if (own !== process) return await dead()
      },
    }
  }

  function checkReport({ steps, tiers }: Report): void {
    const state = new Map(steps.map((step) => [step.step, step.state]))
    for (const { name, needs } of services) {
      const lacks = needs.some((need) => state.get(need) !== 'ready')
      const own = state.get(name)
      if (lacks !== (own === 'skipped'))
        fault(`${name} is ${own}, and ${lacks ? 'lacks' : 'has'} what it needs`)
      if (own === 'ready' && mode === 'recovery' && !byName.get(name)!.open)
        fault(`${name} is ready and not open`)
      if (mode === 'drill' && byName.get(name)!.up) fault(`${name} is left of the drill`)
    }
    for (const { tier, readyMs, verdict, rtoMs: ofTier } of tiers) {
      const own = steps.filter((step) => step.tier === tier)
      const times = own.flatMap((step) => timesOf(step.step))
      const expected = own.every((step) => step.state === 'ready') ? Math.max(...times) : undefined
      if (readyMs !== expected) fault(`tier ${tier} ready at ${readyMs}, not at ${expected}`)
      const should = expected === undefined ? 'failed' : expected <= ofTier ? 'met' : 'missed'
      if (verdict !== should) fault(`tier ${tier} is ${verdict}, not ${should}`)
    }
  }

  /** When a step was ready last, by the records' own times. */
  function timesOf(name: string): number[] {
    const last = journal.records.findLast((record) => record.type === 'ready' && record.step === name)
    return last ? [last.atMs] : []
  }

  function fault(what: string): void {
    faults.push(`${clock.now()} ms: ${what}`)
  }
}

function drawServices(random: Random, calm: boolean): Service[] {
  const names: string[] = []
  const failing = (share: number): number => (!calm && random() < share ? 1 + Math.floor(random() * 3) : 0)
  return Array.from({ length: 1 + Math.floor(random() * 8) }, (_, at) => {
    const needs = names.filter(() => random() < 0.35)
    names.push(`s${at}`)
    return {
      ...{ name: `s${at}`, tier: 1 + Math.floor(random() * 3), needs, ms: 4 + Math.floor(random() * 200) },
      failures: { verify: failing(0.1), start: failing(0.15), traffic: failing(0.1) },
      attempts: 1 + Math.floor(random() * 3),
      comesUpAnyway: random() < 0.5,
      ...{ up: undefined, healthyFromMs: 0, relapsed: false, verifiedBy: 0, open: false },
      relapseMs: failing(0.2) * 30,
    }
  })
}
