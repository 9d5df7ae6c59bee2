import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createDetector } from '@holdfast/health'
import { beforeAll, expect, test } from 'vitest'
import { root } from '../support/workspace.ts'

// Arrivals of real beats, recorded by bench/src/health/record-trace.ts on a busy machine: 12 processes beat every
// 100 ms over HTTP, are stopped now and then for up to half a second, and every second one is killed.

const [head = '', ...processes] = readFileSync(join(root, 'bench/traces/heartbeats.jsonl'), 'utf8')
  .trimEnd()
  .split('\n')
const { intervalMs, endedAtMs } = JSON.parse(head) as { intervalMs: number; endedAtMs: number }
const peers = processes.map(
  (line) => JSON.parse(line) as { killedAtMs: number | null; beats: [sequence: number, atMs: number][] },
)

interface Suspicion {
  readonly peer: number
  readonly atMs: number
  readonly silentMs: number
}

const suspicions: Suspicion[] = []
let alive: string[] = []

beforeAll(() => {
  let now = 0
  const detector = createDetector({ intervalMs, clock: { now: () => now } })
  const arrivals = peers
    .flatMap(({ beats }, peer) => beats.map(([sequence, atMs]) => ({ peer, sequence, atMs })))
    .sort((a, b) => a.atMs - b.atMs)
  for (let atMs = 0; atMs < endedAtMs; atMs += 10) {
    for (; arrivals[0] && arrivals[0].atMs <= atMs; arrivals.shift()) {
      now = arrivals[0].atMs
      const { peer, sequence } = arrivals[0]
      detector.heard(String(peer), { incarnation: 1, sequence, intervalMs })
    }
    now = atMs
    const verdicts = detector.verdicts()
    alive = verdicts.filter(({ state }) => state === 'alive').map(({ id }) => id)
    suspicions.push(
      ...verdicts
        .filter(({ state }) => state !== 'alive')
        .map(({ id, silentMs }) => ({ peer: Number(id), atMs, silentMs })),
    )
  }
})

test('every killed process is suspect within five intervals, and stays so', () => {
  for (const [peer, { killedAtMs }] of peers.entries()) {
    if (killedAtMs === null) continue
    const first = suspicions.find((suspicion) => suspicion.peer === peer && suspicion.atMs >= killedAtMs)
    expect(first!.atMs - killedAtMs).toBeLessThan(5 * intervalMs)
    expect(alive).not.toContain(String(peer))
  }
})

test('nobody is suspect before three intervals of silence, and who was stopped for longer is alive again', () => {
  const falsely = suspicions.filter(
    ({ peer, atMs }) => atMs < (peers[peer]!.killedAtMs ?? Number.POSITIVE_INFINITY),
  )
  expect(falsely.length).toBeGreaterThan(0)
  expect(Math.min(...falsely.map(({ silentMs }) => silentMs))).toBeGreaterThan(3 * intervalMs)
  const survivors = peers.flatMap(({ killedAtMs }, peer) => (killedAtMs === null ? [String(peer)] : []))
  expect(new Set(alive)).toEqual(new Set(survivors))
})
