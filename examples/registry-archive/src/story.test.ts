import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ociStore } from '@holdfast/oci'
import { type MemoryRegistry, startMemoryRegistry } from '@holdfast/oci/testing'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { tellStory } from './story.ts'
import { progressLine, tableOf } from './table.ts'

let folder: string
let registry: MemoryRegistry
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-archive-'))
  registry = await startMemoryRegistry({ authentication: 'bearer' })
})
afterEach(async () => {
  await registry[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

const modelBytes = 1 << 20
const archive = () => ociStore(`${registry.url}/edge/state`, { credentials: registry.credentials })

test('every day comes back as it was, and each costs what is new', async () => {
  const told: string[] = []
  const progress = (what: string) => () => told.push(what)
  const rows = await tellStory({ folder, archive: archive(), say: () => {}, progress, modelBytes })
  expect(rows.map(({ tag, intact }) => [tag, intact])).toEqual([1, 2, 3].map((day) => [`day-${day}`, true]))
  expect(new Set(rows.map(({ digest }) => digest)).size).toBe(3)
  expect(rows[1]!.sentBytes).toBeLessThan(rows[0]!.sentBytes / 5)
  expect(new Set(told)).toEqual(new Set(['push', 'pull', 'restore']))
})

test('what a registry has spoiled is told, and not restored', async () => {
  const say = (line: string): void => {
    if (!line.includes('is lost')) return
    const largest = [...registry.blobs.values()].sort((a, b) => b.length - a.length)[0]!
    largest[1_000]! ^= 1
  }
  const rows = await tellStory({
    folder,
    archive: archive(),
    say,
    progress: () => () => {},
    days: 1,
    modelBytes,
  })
  expect(rows).toMatchObject([{ tag: 'day-1', intact: false, restored: 'OBJECT_CORRUPT' }])
  expect(tableOf(rows).at(-1)).toContain('NOT THE SAME (OBJECT_CORRUPT)')
})

test('the table and the bar', () => {
  const row = {
    tag: 'day-1',
    digest: `sha256:${'a'.repeat(64)}`,
    bytes: 2e6,
    sentBytes: 5e5,
    state: 's',
    restored: 's',
  }
  expect(tableOf([{ ...row, intact: true }])).toEqual([
    'tag    digest               state   sent    restored',
    'day-1  sha256:aaaaaaaaaaaa  2.0 MB  0.5 MB  identical',
  ])
  const progress = {
    phase: 'write' as const,
    bytes: 1e6,
    files: 1,
    totalBytes: 2e6,
    bytesPerSecond: 1e6,
    msLeft: 1_000,
  }
  expect(progressLine('push', progress)).toBe(
    'push    [###############...............] 1.0 MB at 1.0 MB/s, 1.0 s left',
  )
})
