import { createSeededRandom } from '@holdfast/core/testing'
import { type Beat, createDetector } from '@holdfast/health'

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

export interface Scenario {
  readonly seed: number
  /** Each lives, crashes at a random moment, and is watched for ten intervals more. */
  readonly peers: number
  readonly beats: number
}

const roundsPerInterval = 10

/**
 * Lets peers beat and crash before an observer that looks ten times an interval.
 *
 * A sender pauses 1 to 1.05 intervals; the network delays exponentially, 0.02 on
 * average, and loses 2 % of the beats. A suspicion of a living peer is false, once for each silence.
 */
function simulate(observer: Observer, { seed, peers, beats }: Scenario): Detection {
  const random = createSeededRandom(seed)
  const lives = Array.from({ length: peers }, () => makeLife(random, beats))
  const next = new Int32Array(peers)
  const suspected = new Uint8Array(peers)
  const detectedAt = new Float64Array(peers).fill(Number.NaN)
  let falsely = 0
  for (let round = 0; round < (1.05 * beats + 12) * roundsPerInterval; round += 1) {
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
  const times = [...detectedAt].map((at, peer) => at - lives[peer]!.crashedAt).sort((a, b) => a - b)
  return {
    mean: times.reduce((sum, time) => sum + time, 0) / peers,
    p99: times[Math.ceil(0.99 * peers) - 1]!,
    falsePerMillion: (falsely / (peers * beats)) * 1e6,
  }
}

interface Life {
  readonly arrivals: readonly { readonly sequence: number; readonly at: number }[]
  readonly crashedAt: number
}

function makeLife(random: () => number, beats: number): Life {
  const arrivals: { sequence: number; at: number }[] = []
  let sent = random()
  for (let sequence = 1; sequence <= beats; sequence += 1) {
    if (random() >= 0.02) arrivals.push({ sequence, at: sent - 0.02 * Math.log(1 - random()) })
    if (sequence < beats) sent += 1 + 0.05 * random()
  }
  arrivals.sort((a, b) => a.at - b.at)
  return { arrivals, crashedAt: sent + random() }
}

export function detectByPhi(scenario: Scenario): Detection {
  let time = 0
  const detector = createDetector({ intervalMs: 1, clock: { now: () => time } })
  return simulate(
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
    scenario,
  )
}

/** The fixed timeout whose mean detection time is this one. */
export function detectByFixedTimeout(scenario: Scenario, mean: number): Detection & { timeout: number } {
  // Half an interval passes, on average, between the last beat and the crash.
  const first = mean + 0.5
  const timeout = first + mean - fixed(scenario, first).mean
  return { ...fixed(scenario, timeout), timeout }
}

function fixed(scenario: Scenario, timeout: number): Detection {
  const heardAt = new Map<number, number>()
  return simulate(
    {
      heard: (peer, _, now) => void heardAt.set(peer, now),
      *suspects(now) {
        for (const [peer, at] of heardAt) if (now - at > timeout) yield peer
      },
    },
    scenario,
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
