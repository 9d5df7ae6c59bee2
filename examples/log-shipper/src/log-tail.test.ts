import { appendFile, mkdtemp, open, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Running } from '@holdfast/core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { startLogTail } from './log-tail.ts'
import { until } from './wait.ts'

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
  startLogTail({ path, positionFile: join(folder, 'state/position'), pollMs: 1, rotatedMs: 20, accept })
const lines = (): string[] => accepted.map(([line]) => line)
const have = (count: number): Promise<void> => until(() => accepted.length >= count, `${count} lines`)

async function rotate(): Promise<void> {
  await rename(`${path}.1`, `${path}.2`).catch(() => undefined) // not there the first time
  await rename(path, `${path}.1`)
}

async function whileAway(tailing: Running, work: () => Promise<void>): Promise<Running> {
  await tailing.close()
  await work()
  return await tail()
}

test('hands on whole lines, waits for the rest of a torn one, and for a file that is not there yet', async () => {
  await using _ = await tail()
  await writeFile(path, 'one\ntwo\nthr')
  await have(2)
  await appendFile(path, 'ee\n')
  await have(3)
  expect(lines()).toEqual(['one', 'two', 'three'])
})

test('a restart goes on where the last one stopped, and repeats what was not accepted under the same keys', async () => {
  await writeFile(path, 'one\ntwo\n')
  const first = await tail()
  await have(2)
  await first.close()
  await appendFile(path, 'three\n')
  const refused: string[] = []
  const broken = await tail(async (_, key) => {
    refused.push(key)
    throw new Error('the disk is full')
  })
  await expect(broken.exited).rejects.toThrow('the disk is full')
  await using _ = await tail()
  await have(3)
  expect(lines()).toEqual(['one', 'two', 'three'])
  expect(accepted[2]?.[1]).toBe(refused[0])
})

test('a rotated file is read to its end, also what its writer adds late, and a last line without an end', async () => {
  await writeFile(path, 'one\n')
  await using _ = await tail()
  await have(1)
  const writer = await open(path, 'a')
  await rotate()
  await writeFile(path, 'four\n')
  await writer.appendFile('two\nthree')
  await writer.close()
  await have(4)
  expect(lines()).toEqual(['one', 'two', 'three', 'four'])
})

test('rotations that nobody saw are caught up with, in order', async () => {
  await writeFile(path, 'one\n')
  const first = await tail()
  await have(1)
  await using _ = await whileAway(first, async () => {
    await appendFile(path, 'two\n')
    await rotate()
    await writeFile(path, 'three\n')
    await rotate()
    await writeFile(path, 'four\n')
  })
  await have(4)
  expect(lines()).toEqual(['one', 'two', 'three', 'four'])
})

test('where the file that was read is gone, it goes on with the oldest that came after it', async () => {
  await writeFile(path, 'one\n')
  const first = await tail()
  await have(1)
  await using _ = await whileAway(first, async () => {
    await rm(path)
    await writeFile(path, 'two\n')
    await rotate()
    await writeFile(path, 'three\n')
  })
  await have(3)
  expect(lines()).toEqual(['one', 'two', 'three'])
})

test('the first start does not dig out what was rotated before', async () => {
  await writeFile(path, 'old\n')
  await rotate()
  await writeFile(path, 'new\n')
  await using _ = await tail()
  await have(1)
  expect(lines()).toEqual(['new'])
})

test('a cut file is read from its start, its lines under keys that were never used', async () => {
  await writeFile(path, 'one\ntwo\n')
  await using _ = await tail()
  await have(2)
  await truncate(path, 0)
  await appendFile(path, 'uno\n')
  await have(3)
  await using _again = await whileAway(_, () => appendFile(path, 'due\n'))
  await have(4)
  expect(lines()).toEqual(['one', 'two', 'uno', 'due'])
  expect(new Set(accepted.map(([, key]) => key)).size).toBe(4)
})

test('a line that is longer than one reading comes in pieces, and does not hold up the next', async () => {
  await writeFile(path, `${'x'.repeat((1 << 20) + 10)}\nnext\n`)
  await using _ = await tail()
  await have(3)
  expect(lines().map((line) => line.length)).toEqual([1 << 20, 10, 4])
})

test('a stop does not wait for room in a queue that is full', async () => {
  await writeFile(path, 'one\n')
  const waiting = await startLogTail({
    ...{ path, positionFile: join(folder, 'position'), pollMs: 1 },
    accept: (_line, _key, signal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  })
  await new Promise((resolve) => setTimeout(resolve, 5))
  await waiting.close()
})
