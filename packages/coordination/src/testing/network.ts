import { checkNumber, type Random } from '@holdfast/core'

/** Which way is cut: to the store, from the store (the call is applied and its answer lost), or both. */
export type Cut = 'requests' | 'answers' | 'both'

/** What travels: a call to the store, or what the store says to it. */
export type Leg = 'request' | 'answer'

export type Method = 'range' | 'transact' | 'watch' | 'grantLease' | 'keepAlive' | 'revokeLease'

export interface Losses {
  /** The share of calls that never reach the store, 0 to 1. @default 0 */
  requests?: number
  /** The share of calls that are applied and whose answer is lost, 0 to 1. @default 0 */
  answers?: number
  /** The share of batches at which a watch breaks instead of telling them, 0 to 1. @default 0 */
  watches?: number
}

export interface Delay {
  /** In milliseconds, ≥ 0. */
  minMs: number
  /** In milliseconds, ≥ `minMs`. */
  maxMs: number
}

/** What the faults in force do to one thing that travels. Knows no time; asks chance at most once a question. */
export interface Network {
  cut: Cut | undefined
  isCut(leg: Leg): boolean
  /** Uses up what `loseNext` asked for. */
  loses(leg: Leg, method: Method): boolean
  breaksWatch(): boolean
  drawDelayMs(): number
  delay(delay: Delay): void
  lose(losses: Losses): void
  loseNext(leg: Leg, method: Method): void
  heal(): void
}

const noDelay: Delay = { minMs: 0, maxMs: 0 }

export function createNetwork(random: Random): Network {
  let losses: Losses = {}
  let delays = noDelay
  let scripted: { leg: Leg; method: Method }[] = []
  const network: Network = {
    cut: undefined,
    isCut: (leg) => network.cut === 'both' || network.cut === `${leg}s`,
    loses,
    breaksWatch: () => happens(losses.watches),
    drawDelayMs: () => (delays.maxMs === 0 ? 0 : delays.minMs + (delays.maxMs - delays.minMs) * random()),
    delay({ minMs, maxMs }) {
      checkNumber('minMs', minMs, { min: 0 })
      checkNumber('maxMs', maxMs, { min: minMs })
      delays = { minMs, maxMs }
    },
    lose(wanted) {
      for (const what of ['requests', 'answers', 'watches'] as const)
        checkNumber(what, wanted[what] ?? 0, { min: 0, max: 1 })
      losses = { ...wanted }
    },
    loseNext: (leg, method) => void scripted.push({ leg, method }),
    heal() {
      network.cut = undefined
      losses = {}
      delays = noDelay
      scripted = []
    },
  }
  return network

  function loses(leg: Leg, method: Method): boolean {
    if (network.isCut(leg)) return true
    const place = scripted.findIndex((loss) => loss.leg === leg && loss.method === method)
    if (place < 0) return happens(losses[`${leg}s`])
    scripted.splice(place, 1)
    return true
  }

  function happens(share = 0): boolean {
    return share > 0 && random() < share
  }
}
