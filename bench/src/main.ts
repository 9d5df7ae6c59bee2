// npm run bench -- NAME ... [--quick] [--json] [--only ROW-ID] [--markdown FILE]
import { existsSync } from 'node:fs'
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import type { Benchmark } from './harness.ts'
import { describeMachine, figureLine, heading, markdownTable } from './report.ts'
import { type Figure, measureRow } from './run.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const packages = [
  'core',
  'coordination',
  'etcd',
  'lease',
  'queue',
  'uplink',
  'config',
  'health',
  'snapshot',
  'agent',
  'recovery',
]
const available = packages.filter((name) => existsSync(new URL(`./${name}.js`, import.meta.url)))

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
    only: { type: 'string' },
    markdown: { type: 'string' },
  },
})
const names = positionals[0] === 'all' ? available : positionals
if (names.length === 0 || !names.every((name) => available.includes(name))) {
  console.error(
    `Name benchmarks: npm run bench -- ${available.join('|')}|all [--quick] [--json] [--only ROW] [--markdown FILE]`,
  )
  process.exit(2)
}
const machine = describeMachine()
const pages: string[] = []
for (const name of names) {
  const figures = await bench(name)
  pages.push(markdownTable(name, machine, figures))
  if (values.json) console.log(JSON.stringify({ name, machine, figures: figures.map(plain) }))
}
if (values.markdown !== undefined) await writeFile(values.markdown, pages.join('\n'))

async function bench(name: string): Promise<Figure[]> {
  const { benchmark } = (await import(`./${name}.js`)) as { benchmark: Benchmark }
  const rows = benchmark.rows.filter((row) => values.only === undefined || row.id.includes(values.only))
  const folder = join(root, '.cache', `bench-${process.pid}`)
  const figures: Figure[] = []
  console.log(heading(benchmark.name, machine, values.quick))
  try {
    for (const row of rows) {
      await mkdir(folder, { recursive: true })
      const figure = await measureRow(row, { folder, quick: values.quick })
      figures.push(figure)
      console.log(figureLine(figure))
      await rm(folder, { recursive: true, force: true })
    }
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
  const count = (met: boolean | null): number => figures.filter((figure) => figure.met === met).length
  console.log(`\n${count(true)} met, ${count(false)} missed, ${count(null)} not measured`)
  return figures
}

/** The figure as the JSON line promises it. */
function plain({ row, ours, peer, ratio, met, skipped }: Figure): Record<string, unknown> {
  return {
    id: row.id,
    unit: row.unit,
    ours: ours?.median ?? null,
    peer: peer?.median ?? null,
    ratio: ratio?.median ?? null,
    target: `${row.target.of} ${row.target.is} ${row.target.value}`,
    met,
    skipped,
    ...(row.quick ? {} : { quick: false }),
  }
}
