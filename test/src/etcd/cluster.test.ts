import { openEtcdStore } from '@holdfast/etcd'
import { expect, test } from 'vitest'
import { describeEtcd, startEtcd } from '../support/etcd.ts'
import { codeOf, put, readAll } from '../support/store.ts'

const deep = process.env['HOLDFAST_DEEP'] === '1'

describeEtcd('an etcd store on three nodes', () => {
  test('goes on over the loss of the leader, and waits for the quorum', async () => {
    await using etcd = await startEtcd({ nodes: 3 })
    const leader = await etcd.leader()
    const followers = etcd.nodes.filter((node) => node !== leader)
    // The leader's endpoint first: it is the one that dies.
    const endpoints = [leader, ...followers].map((node) => node.endpoint)
    await using store = await openEtcdStore({ endpoints, requestTimeoutMs: 2_000, random: () => 0 })
    const { clusterId } = await store.transact({ then: [put('a')] })
    const { leaseId } = await store.grantLease(60_000)
    const first = readAll(await store.watch({ prefix: '' }))
    await leader.kill()
    expect(await first.ended).toBe('STORE_UNAVAILABLE')
    const retried = await eventually(() => store.transact({ then: [put('b')] }))
    expect(retried.clusterId).toBe(clusterId)
    expect((await eventually(() => store.keepAlive(leaseId))).ttlMs).toBe(60_000)

    const second = readAll(await store.watch({ prefix: '' }))
    await followers[0]!.kill()
    expect(await second.ended).toBe('STORE_UNAVAILABLE')
    expect(await codeOf(store.range({ prefix: '' }))).toBe('STORE_UNAVAILABLE')
    expect(await codeOf(openEtcdStore({ endpoints, requestTimeoutMs: 500 }))).toBe('STORE_UNAVAILABLE')
    await followers[0]!.restart()
    expect((await eventually(() => store.range({ prefix: '' }))).count).toBe(2)
  })

  test.runIf(deep)('leaves a follower that lost the others, though it is still reached', async () => {
    await using etcd = await startEtcd({ nodes: 3 })
    const leader = await etcd.leader()
    const [follower, other] = etcd.nodes.filter((node) => node !== leader)
    await using store = await openEtcdStore({ endpoints: [follower!.endpoint], requestTimeoutMs: 2_000 })
    const watch = readAll(await store.watch({ prefix: '' }))
    leader.pause()
    other!.pause()
    // No leader is told of on the stream: without `hasleader` this watch would hang.
    expect(await watch.ended).toBe('STORE_UNAVAILABLE')
    expect(await codeOf(store.range({ key: 'a' }))).toBe('STORE_UNAVAILABLE')
    leader.resume()
    other!.resume()
    expect((await eventually(() => store.range({ key: 'a' }))).count).toBe(0)
  })
})

/** Repeats what is not available yet, as callers of the port do. */
async function eventually<T>(call: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await call()
    } catch (error) {
      if ((error as { code?: string }).code !== 'STORE_UNAVAILABLE') throw error
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
}
