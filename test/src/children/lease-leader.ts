// Registers and leads until it is killed. argv: an etcd endpoint, its id, and the time to live in milliseconds.
import { openEtcdStore } from '@holdfast/etcd'
import { openSession, register, startElection } from '@holdfast/lease'

const [endpoint, id, ttlMs] = process.argv.slice(2)
const store = await openEtcdStore({ endpoints: [endpoint!] })
const session = await openSession(store, { ttlMs: Number(ttlMs) })
await register(session, { service: 'edge', id: id!, incarnation: 1 }, {})
startElection(session, 'leader', async ({ token, signal }) => {
  console.log(`leads ${token}`)
  await new Promise((ended) => signal.addEventListener('abort', ended))
})
