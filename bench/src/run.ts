import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Row } from './harness.ts'

export interface Spread {
  readonly median: number
  readonly min: number
  readonly max: number
}

export interface Figure {
  readonly row: Row
  readonly ours: Spread | null
  readonly peer: Spread | null
  /** Ours ÷ peer, round by round, so that a machine whose speed drifts slants neither. */
  readonly ratio: Spread | null
  /** null where it was not measured. */
  readonly met: boolean | null
  readonly skipped: string | null
}

/** Measures one row: ours and the peer in turn, the order swapped every round; of several rounds a first one is not counted. */
export async function measureRow(
  row: Row,
  { folder, quick }: { folder: string; quick: boolean },
): Promise<Figure> {
  const skipped = quick && !row.quick ? 'left to the full run' : await row.skip?.()
  if (skipped !== undefined) return { row, ours: null, peer: null, ratio: null, met: null, skipped }
  const rounds = Math.min(row.rounds ?? 5, quick ? 3 : Number.POSITIVE_INFINITY)
  const ours: number[] = []
  const peers: number[] = []
  for (let round = rounds > 1 ? -1 : 0; round < rounds; round += 1) {
    const sides = [
      async () =>
        ours.push(await inFolder((at) => row.ours({ quick, folder: at, round: Math.max(0, round) }))),
      async () => {
        if (row.peer)
          peers.push(
            await inFolder((at) => row.peer!.measure({ quick, folder: at, round: Math.max(0, round) })),
          )
      },
    ]
    for (const side of round % 2 === 0 ? sides : sides.reverse()) await side()
    if (round < 0) {
      ours.length = 0
      peers.length = 0
    }
  }
  return judge(row, ours, peers)

  async function inFolder(measure: (folder: string) => Promise<number>): Promise<number> {
    const own = join(folder, `${row.id}-${ours.length}-${peers.length}-${Math.floor(process.uptime() * 1e6)}`)
    await mkdir(own, { recursive: true })
    try {
      return await measure(own)
    } finally {
      await rm(own, { recursive: true, force: true })
    }
  }
}

export function judge(row: Row, ours: readonly number[], peers: readonly number[]): Figure {
  const ratio =
    peers.length > 0 ? spread(ours.map((figure, round) => figure / (peers[round] ?? Number.NaN))) : null
  const own = spread(ours)
  const judged = row.target.of === 'ratio' ? ratio?.median : own.median
  const met =
    judged === undefined
      ? null
      : row.target.is === '>='
        ? judged >= row.target.value
        : judged <= row.target.value
  return { row, ours: own, peer: peers.length > 0 ? spread(peers) : null, ratio, met, skipped: null }
}

export function spread(samples: readonly number[]): Spread {
  const sorted = [...samples].sort((a, b) => a - b)
  const middle = (sorted.length - 1) / 2
  const median = ((sorted[Math.floor(middle)] ?? Number.NaN) + (sorted[Math.ceil(middle)] ?? Number.NaN)) / 2
  return { median, min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN }
}
