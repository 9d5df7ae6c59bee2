import { expect, test } from 'vitest'
import { describeEtcd, startEtcd } from '../support/etcd.ts'
import { startFaultProxy } from '../support/proxy.ts'

describeEtcd('the etcd that tests stand on', () => {
  test('keeps its data over a kill and loses it in a wipe', async () => {
    await using etcd = await startEtcd()
    await etcd.etcdctl('put', 'key', 'value')
    await etcd.kill()
    await etcd.restart()
    expect(await etcd.etcdctl('get', 'key')).toBe('key\nvalue\n')
    expect(await etcd.compact()).toBe(2)
    await etcd.wipe()
    expect(await etcd.etcdctl('get', 'key')).toBe('')
  })

  test('asks for a password', async () => {
    await using etcd = await startEtcd({ auth: { rootPassword: 'secret' } })
    expect(await etcd.etcdctl('user', 'list')).toBe('root\n')
  })

  test('is reached through a proxy that fails as told', async () => {
    await using etcd = await startEtcd()
    await using proxy = await startFaultProxy(etcd.endpoint)
    const read = () => fetch(`${proxy.endpoint}/version`, { signal: AbortSignal.timeout(300) })
    expect((await read()).status).toBe(200)
    proxy.fault({ kind: 'black-hole' })
    await expect(read()).rejects.toThrow()
    proxy.fault({ kind: 'none' })
    proxy.cut()
    await expect
      .poll(() =>
        read().then(
          (response) => response.status,
          () => 0,
        ),
      )
      .toBe(200)
    proxy.refuse()
    await expect(read()).rejects.toThrow()
  })
})
