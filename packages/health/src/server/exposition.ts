import type { Stat } from '@holdfast/core'
import { oneLine } from '../safe-text.ts'

/** One figure with the labels that tell it from others of its name. */
export interface Sample extends Stat {
  readonly name: string
  readonly labels?: Readonly<Record<string, string>>
}

interface Family {
  readonly kind: Stat['kind']
  readonly help: string
  readonly series: Map<string, number>
}

/**
 * Writes samples in Prometheus' text format, version 0.0.4.
 *
 * Any samples give text that `promtool check metrics` accepts: names become
 * snake_case, counters end in `_total` and nothing else does, milliseconds
 * become seconds. Samples of one name make one family, in the order of their
 * first; where the same labels come twice, or another kind, the first stays.
 */
export function exposeSamples(samples: Iterable<Sample>): string {
  const families = new Map<string, Family>()
  for (const sample of samples) {
    const { name, value } = normalize(sample)
    const family = families.get(name) ?? { kind: sample.kind, help: sample.help, series: new Map() }
    families.set(name, family)
    const labels = writeLabels(sample.labels ?? {})
    if (family.kind === sample.kind && !family.series.has(labels)) family.series.set(labels, value)
  }
  return [...families].map(writeFamily).join('')
}

function writeFamily([name, { kind, help, series }]: [string, Family]): string {
  const lines = [...series].map(([labels, value]) => `${name}${labels} ${writeValue(value)}\n`)
  return `# HELP ${name} ${escapeText(oneLine(help || name))}\n# TYPE ${name} ${kind}\n${lines.join('')}`
}

/** The name and value as Prometheus wants them: base units, and the suffix that belongs to the kind. */
function normalize({ name, kind, value }: Sample): { name: string; value: number } {
  const words = name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .toLowerCase()
    .replace(/[^a-z0-9_]+/g, '_')
    .replace(/^(?=[0-9])|^$/, '_')
  const bare = words.replace(/(?<=.)_(total|count|sum|bucket)$/, '')
  const inSeconds = bare.replace(/_(ms|millis|milliseconds)(?=_|$)/, '_seconds')
  return {
    name: kind === 'counter' ? `${inSeconds}_total` : inSeconds,
    value: inSeconds === bare ? value : value / 1_000,
  }
}

function writeLabels(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name}="${escapeText(value).replaceAll('"', '\\"')}"`,
  )
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function escapeText(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n')
}

function writeValue(value: number): string {
  if (Number.isNaN(value)) return 'NaN'
  if (Number.isFinite(value)) return String(value)
  return value > 0 ? '+Inf' : '-Inf'
}
