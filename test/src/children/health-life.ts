import { httpCheck, startHealth, startHealthServer } from '@holdfast/health'

// A whole life: it answers before its config is there, checks the service it is told of, drains on SIGTERM and ends by itself.
const health = startHealth({ drainDelayMs: 1_000 })
const server = await startHealthServer({ health, port: 0, stats: { life: figures } })
const started = health.fail('startup', 'the config is not here yet')
process.once('SIGTERM', () => void end())
console.log(server.port)

process.stdin.once('data', (config) => {
  process.stdin.destroy()
  const url = String(config).trim()
  health.add(httpCheck({ name: 'service', url, expect: 200, intervalMs: 50, timeoutMs: 200, failAfter: 2 }))
  started()
})

async function end(): Promise<void> {
  process.stdin.destroy()
  await health.drain()
  await server.close()
  await health.close()
}

function figures() {
  return { life_seconds: { kind: 'gauge' as const, help: 'Age of the process', value: process.uptime() } }
}
