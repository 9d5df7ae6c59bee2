import type { Benchmark } from './harness.ts'
import { cpuOfChecks, hangsVisible } from './health/checks.ts'
import {
  type Detection,
  detectByFixedTimeout,
  detectByPhi,
  falseSuspicionsOnStalls,
  type Observation,
} from './health/detection.ts'
import { simulatedLives } from './health/lives.ts'
import { requestsPerCpuSecond } from './health/requests.ts'
import { recordedLives } from './health/trace.ts'

export const benchmark: Benchmark = {
  name: 'health',
  rows: [
    {
      id: 'readyz-requests',
      title: '/readyz over five checks, keep-alive',
      unit: 'requests per CPU second',
      target: { of: 'ratio', is: '>=', value: 0.9 },
      quick: true,
      ours: ({ quick }) => requestsPerCpuSecond('health', quick ? 1 : 4),
      peer: { name: 'bare node:http', measure: ({ quick }) => requestsPerCpuSecond('bare', quick ? 1 : 4) },
    },
    {
      id: 'detection-p99',
      title: 'crash → suspect, p99, 2 % loss, ≤ 10 false per 10⁶ beats',
      unit: 'intervals',
      target: { of: 'ours', is: '<=', value: 3.6 },
      quick: false,
      rounds: 1,
      ours: async () => {
        const { ours } = simulated()
        return ours.falsePerMillion <= 10 ? ours.p99 : Number.POSITIVE_INFINITY
      },
      peer: { name: 'fixed timeout, same mean', measure: async () => simulated().fixed.p99 },
    },
    {
      id: 'detection-recorded',
      title:
        'kill -9 → suspect, worst of 6, recorded beats of 12 processes, some stopped for up to 5 intervals',
      unit: 'intervals',
      target: { of: 'ours', is: '<=', value: 5 },
      quick: true,
      rounds: 1,
      ours: async () => compare('recorded', recordedLives).ours.p99,
      peer: {
        name: 'fixed timeout, same mean',
        measure: async () => compare('recorded', recordedLives).fixed.p99,
      },
    },
    {
      id: 'stall-suspicions',
      title: 'false suspicions, 143 freezes of an observer of 100 peers',
      unit: 'suspicions',
      target: { of: 'ours', is: '<=', value: 0 },
      quick: true,
      ours: async ({ round }) => falseSuspicionsOnStalls(round + 1),
    },
    {
      id: 'hangs-visible',
      title: 'hanging checks that show by staleAfterMs',
      unit: '%',
      target: { of: 'ours', is: '>=', value: 100 },
      quick: true,
      ours: ({ quick, round }) => hangsVisible(quick ? 20 : 100, round + 1),
    },
    {
      id: 'checks-cpu',
      title: '1,000 checks every second',
      unit: '% of a core',
      target: { of: 'ours', is: '<=', value: 10 },
      quick: true,
      ours: ({ quick }) => cpuOfChecks(1_000, quick ? 3 : 10),
    },
  ],
}

type Detections = { ours: Detection; fixed: ReturnType<typeof detectByFixedTimeout> }

const known = new Map<string, Detections>()

/** Both sides see the same beats. Only figures are measured here, no time, so each observation is worked out once. */
function compare(name: string, observe: () => Observation): Detections {
  const found = known.get(name)
  if (found) return found
  const observation = observe()
  const ours = detectByPhi(observation)
  const fixed = detectByFixedTimeout(observation, ours.mean)
  console.log(`  ${name}, φ: ${describe(ours)}`)
  console.log(`  ${name}, a fixed timeout of ${fixed.timeout.toFixed(2)}: ${describe(fixed)}`)
  known.set(name, { ours, fixed })
  return { ours, fixed }
}

/** Five million beats: three lost in a row, which is what a false suspicion takes, come about forty times. */
function simulated(): Detections {
  return compare('simulated', () => simulatedLives({ seed: 1, peers: 10_000, beats: 500 }))
}

function describe({ mean, p99, falsePerMillion }: Detection): string {
  return `mean ${mean.toFixed(2)}, p99 ${p99.toFixed(2)}, ${falsePerMillion.toFixed(1)} false per 10⁶ beats`
}
