// Opens everything of @holdfast/lease on the store that is named, uses it, closes it, and must then end by itself.
// argv: an etcd endpoint, or `memory`.
import { type CoordinationStore, createMemoryStore } from '@holdfast/coordination'
import { openEtcdStore } from '@holdfast/etcd'
import { acquireLock, createDiscovery, openSession, register, startElection } from '@holdfast/lease'

const where = process.argv[2]!
const store: CoordinationStore =
  where === 'memory' ? createMemoryStore() : await openEtcdStore({ endpoints: [where] })
const session = await openSession(store)
const registration = await register(session, { service: 'edge', id: 'exit', incarnation: 1 }, {})
const discovery = createDiscovery(store)
const view = await discovery.view('edge')
await new Promise<void>((resolve) => {
  const election = startElection(session, 'leader', async ({ signal }) => {
    resolve()
    await new Promise((ended) => signal.addEventListener('abort', ended))
    console.log('term ended')
  })
  election.on('ended', () => console.log('handed over'))
})
await acquireLock(session, 'lock').then((lock) => lock.release())
console.log(view.instances().length, registration.status)
await discovery.close()
await session.close()
await store.close()
console.log('closed')
