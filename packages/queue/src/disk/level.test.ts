import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { openLevel } from './level.ts'

const folders: string[] = []

afterEach(() => {
  for (const folder of folders.splice(0)) rmSync(folder, { recursive: true, force: true })
})

// Large values and small ones go to LevelDB in different ways.
test.each([70_000, 7])(
  'operations are written in order, as they were at the call: values of %i bytes',
  async (size) => {
    const folder = mkdtempSync(join(tmpdir(), 'holdfast-level-'))
    folders.push(folder)
    const [kept, deleted, replaced] = ['kept', 'deleted', 'replaced'].map((key) => Buffer.from(key))
    const value = Buffer.alloc(size, 1)
    const first = await openLevel(folder, true)
    await first.write([[deleted!, value]], { sync: false })
    const written = first.write(
      [
        [kept!, value],
        [deleted!, Buffer.alloc(size, 2)],
        [deleted!, undefined],
        [replaced!, undefined],
        [replaced!, Buffer.alloc(size * 3, 3)],
      ],
      { sync: true },
    )
    value.fill(9)
    await written
    await first.close()
    const second = await openLevel(folder, false)
    expect(await second.getMany([kept!, deleted!, replaced!])).toEqual([
      Buffer.alloc(size, 1),
      undefined,
      Buffer.alloc(size * 3, 3),
    ])
    await second.close()
  },
)
