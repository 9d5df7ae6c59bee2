import { createSeededRandom } from '@holdfast/core/testing'

/** What arrived of one sender, and when it crashed; times are in intervals. */
export interface Life {
  readonly arrivals: readonly { readonly sequence: number; readonly at: number }[]
  /** Infinity for one that outlived the observation. */
  readonly crashedAt: number
}

export interface Scenario {
  readonly seed: number
  /** Each lives, crashes at a random moment, and is watched for ten intervals more. */
  readonly peers: number
  readonly beats: number
}

/**
 * Lives that never were: a sender pauses 1 to 1.05 intervals; the network delays
 * exponentially, 0.02 on average, and loses 2 % of the beats.
 */
export function simulatedLives({ seed, peers, beats }: Scenario): { lives: Life[]; until: number } {
  const random = createSeededRandom(seed)
  const lives = Array.from({ length: peers }, () => makeLife(random, beats))
  return { lives, until: 1.05 * beats + 12 }
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
