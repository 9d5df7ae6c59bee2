import { httpBeat, startHeartbeat } from '@holdfast/health'

// A process that beats until it is killed: URL INTERVAL_MS.
const [url = '', intervalMs = ''] = process.argv.slice(2)
startHeartbeat({ send: httpBeat({ url }), intervalMs: Number(intervalMs), incarnation: 1 })
