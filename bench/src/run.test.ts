import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import type { Row } from './harness.ts'
import { judge, measureRow, spread } from './run.ts'

const row: Row = {
  id: 'row',
  title: 'a row',
  unit: 'ops/s',
  target: { of: 'ratio', is: '>=', value: 2 },
  quick: false,
  ours: async () => 10,
  peer: { name: 'raw', measure: async () => 4 },
}

test('the median of an even number of samples lies between the middle two', () => {
  expect(spread([4, 1, 3, 2])).toEqual({ median: 2.5, min: 1, max: 4 })
})

test('the ratio is taken round by round', () => {
  expect(judge(row, [10, 100, 12], [5, 20, 6])).toMatchObject({
    ratio: { median: 2, min: 2, max: 5 },
    met: true,
  })
  expect(judge(row, [10], [6])).toMatchObject({ met: false })
  expect(judge({ ...row, target: { of: 'ours', is: '<=', value: 9 } }, [10], [])).toMatchObject({
    met: false,
    peer: null,
  })
})

test('ours and the peer take turns, one round uncounted, each in an empty folder that goes', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-bench-'))
  const order: string[] = []
  const measured = async (side: string, own: string): Promise<number> => {
    expect(await readdir(own)).toEqual([])
    order.push(side)
    return order.length
  }
  const told: Row = {
    ...row,
    quick: true,
    ours: (round) => measured('ours', round.folder),
    peer: { name: 'raw', measure: (round) => measured('peer', round.folder) },
  }
  const figure = await measureRow({ ...told, rounds: 2 }, { folder, quick: false })
  expect(order).toEqual(['peer', 'ours', 'ours', 'peer', 'peer', 'ours'])
  expect(figure.ours).toMatchObject({ min: 3, max: 6 })
  await measureRow({ ...told, rounds: 1 }, { folder, quick: true })
  expect(order.slice(6)).toEqual(['ours', 'peer'])
  expect(await readdir(folder)).toEqual([])
  await rm(folder, { recursive: true })
})

test('a row that takes long is left to the full run, and one that cannot be measured says why', async () => {
  expect(await measureRow(row, { folder: tmpdir(), quick: true })).toMatchObject({
    met: null,
    skipped: 'left to the full run',
  })
  const missing = { ...row, skip: async () => 'no redis on this machine' }
  expect(await measureRow(missing, { folder: tmpdir(), quick: false })).toMatchObject({
    met: null,
    skipped: 'no redis on this machine',
  })
})
