import fc from 'fast-check'
import { expect, test } from 'vitest'
import { exposeSamples } from './exposition.ts'

test('samples of one name make one family with one HELP and TYPE', () => {
  const text = exposeSamples([
    { name: 'queue_bytes', kind: 'gauge', help: 'Bytes held', labels: { source: 'a' }, value: 1.5 },
    { name: 'sent_total', kind: 'counter', help: 'Sent', value: 2 },
    { name: 'queue_bytes', kind: 'gauge', help: 'Other words', labels: { source: 'b' }, value: 0 },
  ])
  expect(text).toBe(
    [
      '# HELP queue_bytes Bytes held',
      '# TYPE queue_bytes gauge',
      'queue_bytes{source="a"} 1.5',
      'queue_bytes{source="b"} 0',
      '# HELP sent_total Sent',
      '# TYPE sent_total counter',
      'sent_total 2',
      '',
    ].join('\n'),
  )
})

test('names and units become those of Prometheus', () => {
  const named = (name: string, kind: 'gauge' | 'counter', value = 1_500): string =>
    exposeSamples([{ name, kind, help: 'x', value }])
      .trimEnd()
      .split('\n')
      .at(-1) ?? ''
  expect(named('oldest_ms', 'gauge')).toBe('oldest_seconds 1.5')
  expect(named('busy_milliseconds', 'counter')).toBe('busy_seconds_total 1.5')
  expect(named('sent', 'counter')).toBe('sent_total 1500')
  expect(named('jobs_total', 'gauge')).toBe('jobs 1500')
  expect(named('jobs_count', 'counter')).toBe('jobs_total 1500')
  expect(named('queueBytes.held-now', 'gauge')).toBe('queue_bytes_held_now 1500')
  expect(named('2nd', 'gauge')).toBe('_2nd 1500')
  expect(named('', 'gauge')).toBe('_ 1500')
})

test('values that are no decimal numbers are written as Prometheus reads them', () => {
  const text = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e21].map((value, at) => ({
    name: 'x',
    kind: 'gauge' as const,
    help: '',
    labels: { at: String(at) },
    value,
  }))
  expect(exposeSamples(text).match(/(?<=} ).*/g)).toEqual(['NaN', '+Inf', '-Inf', '1e+21'])
  expect(exposeSamples(text)).toContain('# HELP x x\n')
})

test('the same series twice, or a second kind for a name, stays out', () => {
  const text = exposeSamples([
    { name: 'a', kind: 'counter', help: 'x', value: 1 },
    { name: 'a_total', kind: 'counter', help: 'x', value: 2 },
    { name: 'a_total', kind: 'gauge', help: 'x', value: 3 },
    { name: 'b', kind: 'gauge', help: 'x', value: 4 },
  ])
  expect(text.split('\n').filter((line) => line !== '' && !line.startsWith('#'))).toEqual([
    'a_total 1',
    'a 3',
    'b 4',
  ])
})

test('whatever is put in, every line is one that Prometheus reads', () => {
  const line =
    /^(# (HELP [a-z_][a-z0-9_]* [^\n]+|TYPE [a-z_][a-z0-9_]* (gauge|counter))|[a-z_][a-z0-9_]*(\{source="([^"\\\n]|\\["\\n])*"\})? (NaN|[+-]Inf|-?[\d.]+(e[+-]\d+)?))$/u
  fc.assert(
    fc.property(
      fc.array(
        fc.record({
          name: fc.string({ unit: 'binary' }),
          kind: fc.constantFrom('gauge' as const, 'counter' as const),
          help: fc.string({ unit: 'binary' }),
          labels: fc.record({ source: fc.string({ unit: 'binary' }) }),
          value: fc.double(),
        }),
        { maxLength: 8 },
      ),
      (samples) => {
        const text = exposeSamples(samples)
        expect(text === '' || text.endsWith('\n')).toBe(true)
        for (const written of text.split('\n').slice(0, -1)) expect(written).toMatch(line)
      },
    ),
  )
})
