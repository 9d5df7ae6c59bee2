import type { Benchmark } from './harness.ts'
import { ourBelief, peerBelief } from './lease/belief.ts'
import { ourChanges, peerChanges } from './lease/changes.ts'
import { withOurs, withPeer } from './lease/clients.ts'
import { failover } from './lease/failover.ts'
import { ourHandovers, peerHandovers } from './lease/handovers.ts'
import { byView, byWatcher, losses, lossesByQuorum } from './lease/losses.ts'
import { ourRegistrations, peerRegistrations } from './lease/registrations.ts'
import { ourFleetRestores, ourRestores } from './lease/restores.ts'
import { missingEtcd, withEtcd, withMembers } from './support/etcd-process.ts'

export const benchmark: Benchmark = {
  name: 'lease',
  rows: [
    {
      id: 'register',
      title: 'registrations of one session, asked for at once',
      unit: 'registrations/s',
      target: { of: 'ours', is: '>=', value: 15_000 },
      quick: true,
      ours: (round) => withOurs(round, (store) => ourRegistrations(round, store)),
      peer: {
        name: 'etcd3, one by one',
        measure: (round) => withPeer(round, (client) => peerRegistrations(round, client)),
      },
      skip: missingEtcd,
    },
    {
      id: 'restore-p99',
      title: 'from an outside revoke to the registration standing again, p99',
      unit: 'ms',
      target: { of: 'ours', is: '<=', value: 100 },
      quick: true,
      ours: (round) => withOurs(round, (store) => ourRestores(round, store)),
      skip: missingEtcd,
    },
    {
      id: 'restore-1000',
      title: 'until the last of 1,000 sessions stands again, all revoked at once',
      unit: 'ms',
      target: { of: 'ours', is: '<=', value: 1_000 },
      quick: false,
      ours: (round) => withOurs(round, ourFleetRestores),
      skip: missingEtcd,
    },
    {
      id: 'handover-p99',
      title: 'from resigning to the next leader at work, p99',
      unit: 'ms',
      target: { of: 'ours', is: '<=', value: 25 },
      quick: true,
      ours: (round) => withOurs(round, (store) => ourHandovers(round, store)),
      peer: { name: 'etcd3', measure: (round) => withPeer(round, (client) => peerHandovers(round, client)) },
      skip: missingEtcd,
    },
    {
      id: 'failover',
      title: 'from kill -9 of the leader to the next one at work, TTL 2 s',
      unit: 'ms',
      target: { of: 'ours', is: '<=', value: 2_500 },
      quick: false,
      ours: (round) => withEtcd(round.folder, (endpoint) => failover('ours', endpoint)),
      peer: {
        name: 'etcd3',
        measure: (round) => withEtcd(round.folder, (endpoint) => failover('etcd3', endpoint)),
      },
      skip: missingEtcd,
    },
    {
      id: 'false-belief',
      title: 'cut off: held by its own account after the store gave it away, TTL 2 s',
      unit: 'ms',
      target: { of: 'ours', is: '<=', value: 0 },
      quick: false,
      ours: (round) => withEtcd(round.folder, ourBelief),
      peer: {
        name: "etcd3's 'lost'",
        measure: (round) => withEtcd(round.folder, peerBelief),
      },
      skip: missingEtcd,
    },
    {
      id: 'lost-events',
      title: 'keys known wrongly after two cuts in a catch-up, a compaction, a restart and a wipe',
      unit: 'keys',
      target: { of: 'ours', is: '<=', value: 0 },
      quick: false,
      rounds: 3,
      ours: ({ folder }) => withEtcd(folder, (...etcd) => losses(byView, ...etcd)),
      peer: {
        name: "etcd3's watcher",
        measure: ({ folder }) => withEtcd(folder, (...etcd) => losses(byWatcher, ...etcd)),
      },
      skip: missingEtcd,
    },
    {
      id: 'lost-events-quorum',
      title: 'keys known wrongly after its member of three lost the quorum and froze, and the others went on',
      unit: 'keys',
      target: { of: 'ours', is: '<=', value: 0 },
      quick: false,
      rounds: 3,
      ours: ({ folder }) => withMembers(folder, 3, (members) => lossesByQuorum(byView, members)),
      peer: {
        name: "etcd3's watcher",
        measure: ({ folder }) => withMembers(folder, 3, (members) => lossesByQuorum(byWatcher, members)),
      },
      skip: missingEtcd,
    },
    changesRow('changes-p99', 'put to changes(), one view, p99', 1, 15),
    changesRow('changes-100-p99', 'put to changes() of the last of 100 views, p99', 100, 30),
  ],
}

function changesRow(id: string, title: string, views: number, value: number): Benchmark['rows'][number] {
  return {
    ...{ id, title, unit: 'ms', target: { of: 'ours', is: '<=', value }, quick: views === 1 },
    ours: (round) => withOurs(round, (store) => ourChanges(round, store, views)),
    peer: {
      name: 'etcd3 watchers',
      measure: (round) => withPeer(round, (client) => peerChanges(round, client, views)),
    },
    skip: missingEtcd,
  }
}
