import { type EtcdStore, openEtcdStore } from '@holdfast/etcd'
import { Etcd3 } from 'etcd3'
import type { Round } from '../harness.ts'
import { withEtcd } from '../support/etcd-process.ts'

export const metadata = { url: 'http://10.0.0.1:9000', weight: 100 }

export function withOurs(round: Round, measure: (store: EtcdStore) => Promise<number>): Promise<number> {
  return withEtcd(round.folder, async (endpoint) => {
    await using store = await openEtcdStore({ endpoints: [endpoint] })
    return await measure(store)
  })
}

export function withPeer(round: Round, measure: (client: Etcd3) => Promise<number>): Promise<number> {
  return withEtcd(round.folder, async (endpoint) => {
    const client = new Etcd3({ hosts: endpoint })
    try {
      return await measure(client)
    } finally {
      client.close()
    }
  })
}
