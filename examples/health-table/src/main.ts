// node dist/main.js: the services of services.yaml are watched, one breaks, hangs and recovers.
import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { startHealth, startHealthServer } from '@holdfast/health'
import { startStandIns } from './stand-in.ts'
import { checksOf, readTable } from './table.ts'

const table = readTable(await readFile(new URL('../services.yaml', import.meta.url), 'utf8'))
const ports = table.map(({ endpoint }) => Number(new URL(endpoint).port))
await using standIns = await startStandIns(ports)
await using health = startHealth({
  checks: checksOf(table, { intervalMs: 250, failAfter: 2 }),
  drainDelayMs: 500,
})
await using server = await startHealthServer({ health, port: 0, title: 'health-table' })
health.on('changed', ({ name, status, output }) => say(`${name} is ${status}${output ? ` (${output})` : ''}`))
health.on('gateChanged', ({ gate, status }) => say(`  → ${gate}: ${status}`))
say(`open ${server.url} in a browser, or ask ${server.url}/readyz?verbose`)

const orders = standIns.services[table.findIndex(({ service }) => service === 'orders')]!
await pause(2_000)
say('orders answers 500 …')
orders.answers = 500
await pause(2_000)
say('… and recovers')
orders.answers = 200
await pause(2_000)
say('orders hangs …')
orders.answers = 'hang'
await pause(4_000)
say('… and recovers')
orders.answers = 200
await pause(2_000)
say('SIGTERM would do this: ready fails, then everything ends')
await health.drain()

function say(line: string): void {
  console.log(`${process.uptime().toFixed(1).padStart(5)} s  ${line}`)
}
