import { type Config, fileSource, openConfig } from '@holdfast/config'
import { z } from 'zod'

// An agent to be killed: FOLDER MODE. Its config is FOLDER/agent.json, its last-known-good stands in
// FOLDER/state. `count` rewrites the limit as fast as it can and prints each that is on the disk for good.
// `suicide` dies of any limit above 1, on probation.

const [folder = '', mode = ''] = process.argv.slice(2)
const schema = z.object({ limit: z.int(), padding: z.string() })
type Agent = z.infer<typeof schema>

let document = { limit: 1, padding: 'x'.repeat(20_000) }
const counting = {
  name: 'counter',
  optional: false,
  start: () => ({
    load: async () => ({ kind: 'document', document, revision: String(document.limit) }) as const,
    close: async () => undefined,
  }),
}

const config: Config<Agent> = await openConfig({
  schema,
  sources: [mode === 'count' ? counting : fileSource(`${folder}/agent.json`)],
  lastKnownGood: `${folder}/state`,
  settleMs: [1, 5],
  ...(mode === 'suicide' ? { probation: { forMs: 300, everyMs: 100, healthy: async () => true } } : {}),
})
console.log(
  JSON.stringify({
    limit: config.value.limit,
    origin: config.origin,
    attempt: config.status().attempt.state,
  }),
)

if (mode === 'count')
  for (;;) {
    document = { ...document, limit: document.limit + 1 }
    await config.refresh()
    process.stdout.write(`${JSON.stringify({ limit: config.value.limit })}\n`)
  }

config.on('proven', () => console.log('proven'))
if (config.value.limit > 1) die()
config.on('applied', die)

function die(): void {
  process.kill(process.pid, 'SIGKILL')
}
