import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock } from '@holdfast/core'
import { createSeededRandom } from '@holdfast/core/testing'
import { type Figures, openJournal, type Report } from '@holdfast/recovery'
import type { Benchmark, Round } from './harness.ts'
import { shortestMs } from './recovery/optimum.ts'
import { drawShapes, planOf, type Service, type Shape } from './recovery/plans.ts'

/** The worst over random plans of one tier, with two or three slots. */
async function worstSchedule({ quick, round }: Round): Promise<number> {
  let worst = 1
  for (let plans = quick ? 100 : 600, seed = round * plans + 1; plans > 0; plans -= 1, seed += 1) {
    const random = createSeededRandom(seed)
    const shapes = drawShapes(random, 2 + Math.floor(random() * 7), 1, 20)
    const slots = 2 + Math.floor(random() * 2)
    const { readyMs } = planOf(shapes, idle, { slots }).forecast()
    worst = Math.max(worst, readyMs / shortestMs(shapes, slots))
  }
  return worst
}

const idle: Service = { state: async () => undefined, start: async () => true }

/** How far, in percent, the tier that was forecast worst is off in a second drill, after figures from a first one. */
async function forecastError(shapes: readonly Shape[], service: Service, { folder }: Round): Promise<number> {
  const plan = planOf(shapes, service, { slots: 3 })
  const drill = async (name: string, figures?: Figures): Promise<Report> => {
    await using journal = await openJournal(join(folder, name))
    return await plan.run({ mode: 'drill', folder, journal, figures }) // before the journal is closed
  }
  const first = await drill('first')
  const forecast = plan.forecast(first.figures)
  const second = await drill('second', first.figures)
  if (second.outcome !== 'recovered') throw new Error('the drill failed')
  const errors = second.tiers.map(({ tier, readyMs = Number.NaN }) => {
    const expected = forecast.tiers.find((other) => other.tier === tier)!.readyMs
    return Math.abs(expected / readyMs - 1) * 100
  })
  return Math.max(...errors)
}

/** Services that take their time give or take a tenth. */
function timedService(round: number): Service {
  const random = createSeededRandom(round + 1)
  return {
    state: async () => undefined,
    start: async ({ ms }) => {
      await systemClock.sleep(ms * (0.9 + random() * 0.2))
      return true
    },
  }
}

/** Services that are processes of their own, up when they say so. */
function processService(): Service {
  const running = new Map<string, ReturnType<typeof spawn>>()
  return {
    state: async (key) => (running.has(key) ? true : undefined),
    start: async ({ ms }, key) => {
      const program = `setTimeout(() => console.log('up'), ${ms}); setInterval(() => {}, 1e6)`
      const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'ignore'] })
      running.set(key, child)
      await once(child.stdout, 'data')
      return true
    },
    stop: async (_, key) => {
      const child = running.get(key)!
      child.kill('SIGKILL')
      await once(child, 'exit')
      running.delete(key)
    },
  }
}

/** Starts beyond the first of each step, with the process killed after every record that it writes. */
async function doubleStarts({ folder }: Round): Promise<number> {
  const program = fileURLToPath(new URL('./recovery/killed.js', import.meta.url))
  const recover = (own: string, nth: number) => spawnSync(process.execPath, [program, own, String(nth)])
  let doubles = 0
  for (let nth = 1; ; nth += 1) {
    const own = join(folder, String(nth))
    mkdirSync(own)
    const killed = recover(own, nth).signal === 'SIGKILL'
    if (killed) recover(own, 0)
    const started = readFileSync(join(own, 'started'), 'utf8').trim().split('\n')
    doubles += started.length - new Set(started).size
    if (started.length < 8)
      throw new Error(`killed after record ${nth}, ${8 - started.length} steps never started`)
    if (!killed) return doubles
  }
}

export const benchmark: Benchmark = {
  name: 'recovery',
  rows: [
    {
      id: 'schedule-optimum',
      title: 'forecast ÷ the shortest schedule, the worst of 600 plans up to 8 steps',
      unit: 'ratio',
      target: { of: 'ours', is: '<=', value: 1.1 },
      quick: true,
      rounds: 3,
      ours: worstSchedule,
    },
    {
      id: 'forecast-drill',
      title: 'forecast from one drill, off the next: 8 services, ± 10 % each, worst tier',
      unit: '%',
      target: { of: 'ours', is: '<=', value: 20 },
      quick: true,
      ours: (round) =>
        forecastError(
          drawShapes(createSeededRandom(100 + round.round), 8, 3, 1_200),
          timedService(round.round),
          round,
        ),
    },
    {
      id: 'forecast-processes',
      title: 'the same, services that are processes of their own',
      unit: '%',
      target: { of: 'ours', is: '<=', value: 20 },
      quick: true,
      ours: (round) =>
        forecastError(
          drawShapes(createSeededRandom(200 + round.round), 8, 3, 1_200),
          processService(),
          round,
        ),
    },
    {
      id: 'double-starts',
      title: 'double starts, killed −9 after every record of the journal of 8 steps',
      unit: 'starts',
      target: { of: 'ours', is: '<=', value: 0 },
      quick: false,
      rounds: 1,
      ours: doubleStarts,
    },
  ],
}
