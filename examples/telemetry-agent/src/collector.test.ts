import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { startCollector } from './collector.ts'
import { createNarrator, table } from './terminal.ts'

const record = (id: string, observation: string): string =>
  JSON.stringify({ id, value: { observation, source: 'log', at: 0, site: 'reef', body: '' } })

test('counts what comes again, what comes under a used id, and what comes twice under two ids', async () => {
  await using collector = await startCollector()
  const altered = record('b', '1').replace('"body":""', '"body":"other"')
  const lines = [record('a', '1'), record('a', '1'), record('a', '2'), record('b', '1'), altered]
  const headers = { 'content-encoding': 'gzip' }
  await fetch(`${collector.url}/records`, { method: 'POST', headers, body: gzipSync(lines.join('\n')) })
  expect(collector.received()).toMatchObject({ redelivered: 1, clashes: 2, duplicates: 1 })
  expect(collector.received().records.size).toBe(2)
})

test('is away while it is cut, and back on the same port', async () => {
  await using collector = await startCollector()
  await collector.cut()
  await expect(
    fetch(`${collector.url}/records`, { method: 'POST', body: record('a', '1') }),
  ).rejects.toThrow()
  await collector.reconnect()
  expect((await fetch(`${collector.url}/records`, { method: 'POST', body: 'nonsense' })).status).toBe(400)
})

test('a step is one plain line where the output is no terminal, and a live line is nothing', () => {
  const written: string[] = []
  const narrator = createNarrator(
    { write: (text: string) => written.push(text) > 0, isTTY: false, columns: 80 },
    () => 0,
  )
  const done = narrator.step('start')
  narrator.live('never shown')
  done('well')
  narrator.close()
  expect(written).toEqual(['start: well (0.0 s)\n'])
  expect(
    table([
      ['a', '1'],
      ['bc', '23'],
    ]),
  ).toBe('  a     1\n  bc   23')
})
