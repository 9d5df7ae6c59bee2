import { createSeededRandom } from '@holdfast/core/testing'
import { type Beat, createDetector } from '@holdfast/health'
import type { Life } from './lives.ts'

/** Whatever tells who is silent for too long. Times are in intervals. */
interface Observer {
  heard(peer: number, beat: Beat, now: number): void
  suspects(now: number): Iterable<number>
}

export interface Detection {
  readonly mean: number
  readonly p99: number
  readonly falsePerMillion: number
}

/** What an observer is shown. */
export interface Observation {
  readonly lives: readonly Life[]
  readonly until: number
}

const roundsPerInterval = 10

/**
 * Shows lives to an observer that looks ten times an interval. A suspicion of a
 * living peer is false, once for each silence.
 */
function observe(observer: Observer, { lives, until }: Observation): Detection {
  const next = new Int32Array(lives.length)
  const suspected = new Uint8Array(lives.length)
  const detectedAt = new Float64Array(lives.length).fill(Number.NaN)
  let falsely = 0
  for (let round = 0; round < until * roundsPerInterval; round += 1) {
    const now = round / roundsPerInterval
    lives.forEach(({ arrivals }, peer) => {
      for (let beat = arrivals[next[peer]!]; beat && beat.at <= now; beat = arrivals[++next[peer]!]) {
        observer.heard(peer, { incarnation: 1, sequence: beat.sequence, intervalMs: 1 }, beat.at)
        suspected[peer] = 0
      }
    })
    for (const peer of observer.suspects(now)) {
      const { crashedAt } = lives[peer]!
      if (now < crashedAt && !suspected[peer]) falsely += 1
      if (now >= crashedAt && Number.isNaN(detectedAt[peer])) detectedAt[peer] = now
      suspected[peer] = 1
    }
  }
  const beats = lives.reduce((sum, { arrivals }) => sum + (arrivals.at(-1)?.sequence ?? 0), 0)
  const times = lives
    .map(({ crashedAt }, peer) => detectedAt[peer]! - crashedAt)
    .filter((_, peer) => lives[peer]!.crashedAt < until)
    .map((time) => (Number.isNaN(time) ? Number.POSITIVE_INFINITY : time))
    .sort((a, b) => a - b)
  return {
    mean: times.reduce((sum, time) => sum + time, 0) / times.length,
    p99: times[Math.ceil(0.99 * times.length) - 1]!,
    falsePerMillion: (falsely / beats) * 1e6,
  }
}

export function detectByPhi(observation: Observation): Detection {
  let time = 0
  const detector = createDetector({ intervalMs: 1, clock: { now: () => time } })
  return observe(
    {
      heard(peer, beat, now) {
        time = Math.max(time, now)
        detector.heard(String(peer), beat)
      },
      *suspects(now) {
        time = now
        for (const { id, state } of detector.verdicts()) if (state !== 'alive') yield Number(id)
      },
    },
    observation,
  )
}

/** The fixed timeout whose mean detection time is this one. */
export function detectByFixedTimeout(
  observation: Observation,
  mean: number,
): Detection & { timeout: number } {
  // Half an interval passes, on average, between the last beat and the crash.
  const first = mean + 0.5
  const timeout = first + mean - fixed(observation, first).mean
  return { ...fixed(observation, timeout), timeout }
}

function fixed(observation: Observation, timeout: number): Detection {
  const heardAt = new Map<number, number>()
  return observe(
    {
      heard: (peer, _, now) => void heardAt.set(peer, now),
      *suspects(now) {
        for (const [peer, at] of heardAt) if (now - at > timeout) yield peer
      },
    },
    observation,
  )
}

/** False suspicions of 100 peers whose observer freezes 143 times for 3 to 30 intervals; what came meanwhile is read after its first look. */
export function falseSuspicionsOnStalls(seed: number): number {
  const random = createSeededRandom(seed)
  let now = 0
  let suspicions = 0
  const detector = createDetector({ intervalMs: 1, clock: { now: () => now } })
  const peers = Array.from({ length: 100 }, (_, at) => ({ id: String(at), due: random(), sequence: 0 }))
  const look = (): void => {
    suspicions += detector.verdicts().filter(({ state }) => state !== 'alive').length
  }
  const read = (): void => {
    for (const peer of peers)
      for (; peer.due <= now; peer.due += 1 + 0.05 * random())
        detector.heard(peer.id, { incarnation: 1, sequence: ++peer.sequence, intervalMs: 1 })
  }
  for (let freeze = 0; freeze < 143; freeze += 1) {
    for (let round = 0; round < 40; round += 1) {
      now += 0.25
      read()
      look()
    }
    now += 3 + 27 * random()
    look()
  }
  return suspicions
}
