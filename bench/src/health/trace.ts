import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { Life } from './lives.ts'

/** Arrivals of real heartbeats as `record-trace` wrote them down: this in the first line, then one process a line. */
interface Head {
  readonly intervalMs: number
  readonly endedAtMs: number
}

interface Recorded {
  readonly killedAtMs: number | null
  readonly beats: readonly (readonly [sequence: number, atMs: number])[]
}

/** The lives of a recorded trace, in intervals. */
export function recordedLives(): { lives: Life[]; until: number } {
  const file = fileURLToPath(new URL('../../traces/heartbeats.jsonl', import.meta.url))
  const [head = '', ...processes] = readFileSync(file, 'utf8').trimEnd().split('\n')
  const { intervalMs, endedAtMs } = JSON.parse(head) as Head
  const peers = processes.map((line) => JSON.parse(line) as Recorded)
  const lives = peers.map(({ killedAtMs, beats }) => ({
    arrivals: beats.map(([sequence, atMs]) => ({ sequence, at: atMs / intervalMs })),
    crashedAt: killedAtMs === null ? Number.POSITIVE_INFINITY : killedAtMs / intervalMs,
  }))
  return { lives, until: endedAtMs / intervalMs }
}
