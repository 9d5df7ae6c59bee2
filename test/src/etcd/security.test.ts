import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type EtcdStore, type EtcdStoreOptions, openEtcdStore } from '@holdfast/etcd'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Authority, createAuthority, describeOpenssl } from '../support/certificates.ts'
import { describeEtcd, type Etcd, startEtcd } from '../support/etcd.ts'
import { startFaultProxy } from '../support/proxy.ts'
import { codeOf, put, readAll } from '../support/store.ts'

describeEtcd('users and roles', () => {
  let etcd: Etcd
  const auth = { username: 'agent', password: 'a password' }
  const open = (options: Partial<EtcdStoreOptions> = {}): Promise<EtcdStore> =>
    openEtcdStore({ endpoints: [etcd.endpoint], namespace: 'app/', requestTimeoutMs: 3_000, ...options })

  beforeAll(async () => {
    // An expired token is found out up to a second late, by etcd's own ticker.
    etcd = await startEtcd({ auth: { rootPassword: 'secret' }, flags: ['--auth-token-ttl=1'] })
    await etcd.etcdctl('role', 'add', 'app')
    await etcd.etcdctl('role', 'grant-permission', 'app', '--prefix=true', 'readwrite', 'app/')
    await etcd.etcdctl('user', 'add', `agent:${auth.password}`)
    await etcd.etcdctl('user', 'grant-role', 'agent', 'app')
  })
  afterAll(() => etcd.close())

  test('the namespace is all that the least role opens', async () => {
    await using store = await open({ auth })
    const { leaseId } = await store.grantLease(10_000)
    await using watch = await store.watch({ prefix: '' })
    await store.transact({ then: [put('key', 'value', leaseId)] })
    expect((await store.range({ prefix: '' })).count).toBe(1)
    expect((await store.keepAlive(leaseId)).ttlMs).toBe(10_000)
    await store.revokeLease(leaseId)
    expect((await store.range({ prefix: '' })).count).toBe(0)
    expect((await watch[Symbol.asyncIterator]().next()).value.events[0].entry.key).toBe('key')

    await using outside = await open({ auth, namespace: 'other/' })
    expect(await codeOf(outside.range({ key: 'a' }))).toBe('STORE_DENIED')
    expect(await codeOf(outside.transact({ then: [put('a')] }))).toBe('STORE_DENIED')
    expect(await codeOf(outside.watch({ prefix: '' }))).toBe('STORE_DENIED')
  })

  test('wrong and missing credentials are denied at the opening', async () => {
    expect(await codeOf(open({ auth: { username: 'agent', password: 'wrong' } }))).toBe('STORE_DENIED')
    expect(await codeOf(open({ auth: { username: 'nobody', password: 'wrong' } }))).toBe('STORE_DENIED')
    expect(await codeOf(open())).toBe('STORE_DENIED')
  })

  test('a token that expired is renewed for calls, watches and renewals, and open watches go on', async () => {
    await using store = await open({ auth })
    const { leaseId } = await store.grantLease(60_000)
    const before = readAll(await store.watch({ prefix: 'token/' }))
    await sleep(2_100)
    const after = readAll(await store.watch({ prefix: 'token/' }))
    await sleep(2_100)
    await Promise.all(
      [put('token/1'), put('token/2')].map((operation) => store.transact({ then: [operation] })),
    )
    expect((await store.keepAlive(leaseId)).ttlMs).toBe(60_000)
    await expect.poll(() => [before.events.length, after.events.length]).toEqual([2, 2])
    expect(store.stats()['etcd_connections_total']!.value).toBe(1)
  })

  test('a change of roles makes tokens old, and calls do not feel it', async () => {
    await using store = await open({ auth })
    await etcd.etcdctl('role', 'add', `role${Date.now()}`)
    expect((await store.range({ key: 'a' })).count).toBe(0)
  })

  test('a user is welcome where nobody asks for one', async () => {
    await using free = await startEtcd()
    await using store = await open({ auth, endpoints: [free.endpoint] })
    await store.transact({ then: [put('a')] })
  })
})

describeEtcd('certificates', () => {
  describeOpenssl('that etcd asks for', () => {
    let folder: string
    let authority: Authority
    let etcd: Etcd
    const file = (name: string): string => join(folder, name)
    const open = (tls: EtcdStoreOptions['tls'] = {}, endpoint = etcd.endpoint): Promise<EtcdStore> =>
      openEtcdStore({
        endpoints: [endpoint],
        requestTimeoutMs: 3_000,
        tls: { caFile: authority.ca, ...tls },
      })

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'holdfast-tls-'))
      authority = createAuthority(folder)
      etcd = await startEtcd({ tls: { ...authority.issue('server'), ca: authority.ca } })
      for (const name of ['first', 'second']) authority.issue(name)
    })
    afterAll(async () => {
      await etcd.close()
      await rm(folder, { recursive: true, force: true })
    })

    test('are read again when they change; open watches go on, new connections use the new ones', async () => {
      const use = (name: string) =>
        Promise.all(['crt', 'key'].map((kind) => copyFile(file(`${name}.${kind}`), file(`live.${kind}`))))
      await use('first')
      await using proxy = await startFaultProxy(etcd.endpoint)
      await using store = await open(
        { certFile: file('live.crt'), keyFile: file('live.key'), reloadMs: 100 },
        proxy.endpoint,
      )
      const watch = readAll(await store.watch({ prefix: '' }))
      const failed = new Promise((resolve) => store.on('credentialsFailed', resolve))
      const reloaded = new Promise<void>((resolve) => store.on('credentialsReloaded', resolve))
      await copyFile(file('second.key'), file('live.key'))
      expect(String(await failed)).toContain('key values mismatch')
      await store.transact({ then: [put('a')] })
      await copyFile(file('second.crt'), file('live.crt'))
      await reloaded
      await store.transact({ then: [put('b')] })
      await expect.poll(() => watch.events.length).toBe(2)
      expect([store.stats()['etcd_connections_total']!.value, proxy.connections]).toEqual([2, 2])
      await watch.close()
      await expect.poll(() => proxy.connections).toBe(1)
    })

    test('are refused where they are missing or of another authority, ours and theirs', async () => {
      const stranger = createAuthority(folder, 'stranger')
      const strange = stranger.issue('strange')
      expect(await codeOf(open())).toBe('STORE_DENIED')
      expect(await codeOf(open({ certFile: strange.cert, keyFile: strange.key }))).toBe('STORE_DENIED')
      const own = { certFile: file('first.crt'), keyFile: file('first.key') }
      expect(await codeOf(open({ ...own, caFile: stranger.ca }))).toBe('STORE_DENIED')
      await using store = await open(own)
      await store.transact({ then: [put('c')] })
    })

    test.each([
      ['IP:127.0.0.1', 'served', 'STORE_DENIED'],
      ['DNS:localhost', 'STORE_DENIED', 'served'],
      ['IP:127.0.0.2,DNS:etcd.invalid', 'STORE_DENIED', 'STORE_DENIED'],
    ])(
      'for %s: an endpoint that is an address must be in it, and so must a name',
      async (hosts, byAddress, byName) => {
        const certificate = authority.issue('only', hosts)
        await using only = await startEtcd({ tls: certificate })
        const outcome = (endpoint: string): Promise<string> =>
          openEtcdStore({ endpoints: [endpoint], tls: { caFile: authority.ca } }).then(
            (store) => store.close().then(() => 'served'),
            (error: { code: string }) => error.code,
          )
        const { port } = new URL(only.endpoint)
        expect([await outcome(only.endpoint), await outcome(`https://localhost:${port}`)]).toEqual([
          byAddress,
          byName,
        ])
      },
    )

    test('name the user where there is no password', async () => {
      const names = ['common-name', 'other-name']
      await using asking = await startEtcd({
        tls: { ...authority.issue('root'), ca: authority.ca },
        auth: { rootPassword: 'secret' },
      })
      for (const name of names) authority.issue(name)
      await asking.etcdctl('role', 'add', 'app')
      await asking.etcdctl('role', 'grant-permission', 'app', '--prefix=true', 'readwrite', 'app/')
      await asking.etcdctl('user', 'add', 'common-name:unused')
      await asking.etcdctl('user', 'grant-role', 'common-name', 'app')
      const [known, unknown] = names.map((name) => ({
        certFile: file(`${name}.crt`),
        keyFile: file(`${name}.key`),
      }))
      await using store = await openEtcdStore({
        endpoints: asking.endpoints,
        namespace: 'app/',
        tls: { caFile: authority.ca, ...known },
      })
      await store.transact({ then: [put('a')] })
      expect((await store.range({ prefix: '' })).count).toBe(1)
      await using stranger = await open(unknown, asking.endpoint)
      expect(await codeOf(stranger.range({ key: 'a' }))).toBe('STORE_DENIED')
    })

    test('that cannot be used are told of at the opening', async () => {
      await writeFile(file('broken.crt'), 'not a certificate')
      await expect(open({ certFile: file('broken.crt'), keyFile: file('first.key') })).rejects.toThrow()
      await expect(open({ certFile: file('missing.crt'), keyFile: file('first.key') })).rejects.toThrow(
        'ENOENT',
      )
    })
  })
})
