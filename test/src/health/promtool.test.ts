import { spawnSync } from 'node:child_process'
import type { Stats } from '@holdfast/core'
import { startHealth, startHealthServer } from '@holdfast/health'
import { beforeAll, describe, expect, test } from 'vitest'
import { findPromtool } from './promtool.ts'

const promtool = findPromtool()

const awkward: Stats = {
  queue_oldest_ms: { kind: 'gauge', help: 'Age of the oldest message', value: 1_500 },
  queue_bytes: { kind: 'gauge', help: 'Bytes held\nover "two" lines \\ and a backslash', value: 1e21 },
  enqueued: { kind: 'counter', help: 'Messages taken', value: 3 },
  jobs_total: { kind: 'gauge', help: 'Jobs there are', value: Number.NaN },
  messages_count: { kind: 'gauge', help: 'Messages there are', value: Number.POSITIVE_INFINITY },
  'camelCase.and-dots': { kind: 'gauge', help: '', value: -0.5 },
  busyMilliseconds: { kind: 'counter', help: 'Time spent', value: 2_000 },
}

describe.skipIf(!promtool)('promtool check metrics', () => {
  let text = ''
  beforeAll(async () => {
    await using health = startHealth({
      checks: [
        { name: 'quoted "name" \\ ü', failAfter: 1, run: () => Promise.reject(new Error('down')) },
        { name: 'fine', run: async () => ({ value: 1, unit: 'ms' }) },
      ],
    })
    const stats = { queue: () => awkward, 'second "source"': () => awkward }
    await using server = await startHealthServer({ health, port: 0, stats })
    text = await (await fetch(`${server.url}/metrics`)).text()
  })

  test('accepts all that the health server writes, and has nothing to say about it', () => {
    expect(text).toContain('queue_oldest_seconds{source="queue"} 1.5')
    expect(check(text)).toEqual({ status: 0, said: '' })
  })

  test('would have found fault', () => {
    expect(check('# HELP bad_ms A unit that is none\n# TYPE bad_ms counter\nbad_ms 1\n').status).not.toBe(0)
  })
})

function check(metrics: string): { status: number | null; said: string } {
  const { status, stdout, stderr } = spawnSync(promtool!, ['check', 'metrics'], {
    input: metrics,
    encoding: 'utf8',
  })
  return { status, said: stdout + stderr }
}
