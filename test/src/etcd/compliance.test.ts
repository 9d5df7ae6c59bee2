import { setTimeout as sleep } from 'node:timers/promises'
import { coordinationStoreCompliance } from '@holdfast/coordination/testing'
import { type EtcdStore, openEtcdStore } from '@holdfast/etcd'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeEtcd, type Etcd, startEtcd } from '../support/etcd.ts'

describeEtcd('the etcd store', () => {
  let etcd: Etcd
  let cases = 0
  beforeAll(async () => {
    etcd = await startEtcd()
  })
  afterAll(() => etcd.close())

  coordinationStoreCompliance({
    // Those wait in real time; beside one another they wait once.
    test: (name, run) => (name.startsWith('lease: expires') ? test.concurrent : test)(name, run),
    expect,
    async create() {
      cases += 1
      const namespace = `case${cases}/`
      const connect = (): Promise<EtcdStore> => openEtcdStore({ endpoints: [etcd.endpoint], namespace })
      const store = await connect()
      return {
        store,
        connect,
        advance: (ms) => sleep(ms),
        compact: async (revision) => {
          await etcd.compact(revision)
        },
        tearDown: () => store.close(),
      }
    },
  })
})
