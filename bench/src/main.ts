// npm run bench -- NAME [--quick] [--json] [--only ROW-ID]
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
const name = positionals[0]
if (name === undefined || !available.includes(name)) {
  console.error(
    `Name a benchmark: npm run bench -- ${available.join('|')} [--quick] [--json] [--only ROW] [--markdown FILE]`,
  )
  process.exit(2)
}
process.exitCode = await bench(name)

async function bench(benchmarkName: string): Promise<number> {
  const { benchmark } = (await import(`./${benchmarkName}.js`)) as { benchmark: Benchmark }
  const rows = benchmark.rows.filter((row) => values.only === undefined || row.id.includes(values.only))
  const folder = join(root, '.cache', `bench-${process.pid}`)
  const machine = describeMachine()
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
  const missed = figures.filter((figure) => figure.met === false)
  console.log(
    `\n${figures.filter((figure) => figure.met).length} met, ${missed.length} missed, ${figures.filter((figure) => figure.met === null).length} not measured`,
  )
  if (values.markdown !== undefined)
    await writeFile(values.markdown, markdownTable(benchmark.name, machine, figures))
  if (values.json) console.log(JSON.stringify({ name: benchmark.name, machine, figures: figures.map(plain) }))
  return 0
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
