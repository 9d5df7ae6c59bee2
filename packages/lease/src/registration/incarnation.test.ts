import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { nextIncarnation } from './incarnation.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-lease-'))
})
afterEach(() => rm(folder, { recursive: true }))

test('it counts the starts, in a folder that it makes', async () => {
  const state = join(folder, 'not', 'there')
  expect([await nextIncarnation(state), await nextIncarnation(state), await nextIncarnation(state)]).toEqual([
    1, 2, 3,
  ])
  expect(await readdir(state)).toEqual(['incarnation'])
  expect(await readFile(join(state, 'incarnation'), 'utf8')).toBe('3\n')
})

test('what an aborted write left is no harm', async () => {
  await nextIncarnation(folder)
  await writeFile(join(folder, `incarnation.${process.pid}.tmp`), '99')
  expect(await nextIncarnation(folder)).toBe(2)
})

test.each(['', 'x', '-1', '1.5', '99999999999999999999'])(
  'a file with %j is not counted on from',
  async (text) => {
    await writeFile(join(folder, 'incarnation'), text)
    await expect(nextIncarnation(folder)).rejects.toMatchObject({ code: 'INCARNATION_DAMAGED' })
    expect(await readFile(join(folder, 'incarnation'), 'utf8')).toBe(text)
  },
)
