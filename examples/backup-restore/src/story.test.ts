import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memoryStore } from '@holdfast/snapshot'
import { expect, test } from 'vitest'
import { tellStory } from './story.ts'
import { progressLine } from './terminal.ts'

test('the story ends well', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-story-'))
  const lines: string[] = []
  try {
    const { kept, lostSinceSnapshot } = await tellStory({
      folder,
      store: memoryStore(),
      say: (line) => lines.push(line),
      progress: () => () => {},
      hours: 2,
    })
    expect(kept).toBe(2)
    expect(lostSinceSnapshot).toBeGreaterThanOrEqual(0)
    expect(lines).toContain('the database is lost')
    expect(lines.at(-1)).toMatch(/^restored: .* records$/)
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
})

test('a bar fills up as the bytes do', () => {
  const progress = {
    phase: 'write' as const,
    bytes: 5e6,
    files: 3,
    totalBytes: 1e7,
    bytesPerSecond: 2e6,
    msLeft: 2_500,
  }
  expect(progressLine('restore', progress)).toBe(
    'restore  ████████████░░░░░░░░░░░░ 5.0 MB in 3 files at 2.0 MB/s, 2.5 s left',
  )
})
