// Leads until it is killed. argv: `ours` or `etcd3`, and an etcd endpoint.
import { once } from 'node:events'
import { openEtcdStore } from '@holdfast/etcd'
import { openSession, startElection } from '@holdfast/lease'
import { Etcd3 } from 'etcd3'

const [kind, endpoint] = process.argv.slice(2)
if (kind === 'ours') {
  const session = await openSession(await openEtcdStore({ endpoints: [endpoint!] }), { ttlMs: 2_000 })
  startElection(session, 'leader', async ({ signal }) => {
    console.log('leads')
    await once(signal, 'abort')
  })
} else {
  await once(new Etcd3({ hosts: endpoint! }).election('leader', 2).campaign('killed'), 'elected')
  console.log('leads')
}
