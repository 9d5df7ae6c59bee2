import { appendFile, mkdtemp, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { until } from './agent-host.ts'
import { startLogTail } from './log-tail.ts'

let folder: string
let path: string
let accepted: [line: string, key: string][]

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-tail-'))
  path = join(folder, 'log')
  accepted = []
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const tail = (accept = async (line: string, key: string): Promise<unknown> => accepted.push([line, key])) =>
  startLogTail({ path, positionFile: join(folder, 'state/position'), pollMs: 1, accept })
const lines = (): string[] => accepted.map(([line]) => line)

test('hands on whole lines, waits for the rest of a torn one, and for a file that is not there yet', async () => {
  await using _ = await tail()
  await writeFile(path, 'one\ntwo\nthr')
  await until(() => accepted.length === 2, 'two lines')
  await appendFile(path, 'ee\n')
  await until(() => accepted.length === 3, 'three lines')
  expect(lines()).toEqual(['one', 'two', 'three'])
})

test('goes on where it stopped, and repeats under the same keys what was not accepted for good', async () => {
  await writeFile(path, 'one\ntwo\n')
  await using first = await tail()
  await until(() => accepted.length === 2, 'two lines')
  await first.close()
  await appendFile(path, 'three\n')
  const refused: string[] = []
  const broken = await tail(async (_, key) => {
    refused.push(key)
    throw new Error('the disk is full')
  })
  await expect(broken.exited).rejects.toThrow('the disk is full')
  await using _ = await tail()
  await until(() => accepted.length === 3, 'three lines')
  expect(lines()).toEqual(['one', 'two', 'three'])
  expect(accepted[2]?.[1]).toBe(refused[0])
})

test('a line that is longer than one reading comes in pieces, and does not hold up the next', async () => {
  await writeFile(path, `${'x'.repeat((1 << 20) + 10)}\nnext\n`)
  await using _ = await tail()
  await until(() => accepted.length === 3, 'two pieces and a line')
  expect(lines().map((line) => line.length)).toEqual([1 << 20, 10, 4])
})

test('reads a replaced and a cut file from the start, under keys that were never used', async () => {
  await writeFile(path, 'old\n')
  await using _ = await tail()
  await until(() => accepted.length === 1, 'the old line')
  await writeFile(`${path}.new`, 'new\n')
  await rename(`${path}.new`, path)
  await until(() => accepted.length === 2, 'the new line')
  await truncate(path, 0)
  await appendFile(path, 'c\n')
  await until(() => accepted.length === 3, 'the line after the cut')
  expect(lines()).toEqual(['old', 'new', 'c'])
  expect(new Set(accepted.map(([, key]) => key)).size).toBe(3)
})
