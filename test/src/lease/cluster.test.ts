import { setTimeout as sleep } from 'node:timers/promises'
import { type EtcdStore, openEtcdStore } from '@holdfast/etcd'
import {
  createDiscovery,
  type Election,
  openSession,
  type Registration,
  register,
  type ServiceView,
  type Session,
  startElection,
} from '@holdfast/lease'
import { expect, test } from 'vitest'
import { describeEtcd, type Etcd, type EtcdNode, startEtcd } from '../support/etcd.ts'
import { put } from '../support/store.ts'

// Three members on loopback. Whatever becomes of them: nobody believes to hold what was given away, no
// two lead at once, tokens only rise, nobody's view empties, and in the end all is as it was wished.

const ttlMs = 4_000

interface Agent {
  readonly id: string
  readonly session: Session
  readonly registration: Registration<{ port: number }>
  readonly election: Election
  readonly losses: string[]
}

interface Scene extends AsyncDisposable {
  readonly etcd: Etcd
  readonly agents: readonly Agent[]
  readonly view: ServiceView<unknown>
  /** What must never be, and was. */
  readonly wrong: string[]
  /** Tokens of guarded writes, in the order of the store. */
  readonly written: number[]
}

async function setUp(): Promise<Scene> {
  const etcd = await startEtcd({ nodes: 3 })
  /** Closed in the reverse order of their opening. */
  const opened: AsyncDisposable[] = [etcd]
  const use = <T extends AsyncDisposable>(resource: T): T => {
    opened.push(resource)
    return resource
  }
  const open = async (first: number): Promise<EtcdStore> => {
    const endpoints = [...etcd.endpoints.slice(first), ...etcd.endpoints.slice(0, first)]
    return use(await openEtcdStore({ endpoints, requestTimeoutMs: 1_000, random: () => 0 }))
  }
  const wrong: string[] = []
  const agents: Agent[] = []
  for (const [index, id] of ['a', 'b', 'c'].entries()) {
    const store = await open(index)
    const session = use(await openSession(store, { ttlMs }))
    const losses: string[] = []
    session.on('lost', ({ reason }) => losses.push(reason))
    const identity = { service: 'edge', id, incarnation: 1 }
    const registration = await register(session, identity, { port: index })
    const election = startElection(session, 'leader', async (term) => {
      for (const other of agents)
        if (other.id !== id && other.election.isLeader()) wrong.push(`${id} and ${other.id} lead at once`)
      while (!term.signal.aborted) {
        await store.transact(term.guard({ then: [put('written', String(term.token))] })).catch(() => {})
        await sleep(50, undefined, { signal: term.signal }).catch(() => {})
      }
    })
    agents.push({ id, session, registration, election, losses })
  }
  const discovery = use(createDiscovery(await open(1)))
  const view = await discovery.view('edge', { maxStaleMs: 2_000, preserve: 0.5 })
  view.on('changed', () => view.instances().length === 0 && wrong.push('the view is empty'))
  const written: number[] = []
  const observing = observe(await open(2), agents, written, wrong)
  return {
    ...{ etcd, agents, view, wrong, written },
    async [Symbol.asyncDispose]() {
      for (const resource of opened.reverse()) await resource[Symbol.asyncDispose]()
      await observing
    },
  }
}

/** Sees what the store gave away: whoever held it must have stopped believing by then. */
async function observe(
  store: EtcdStore,
  agents: readonly Agent[],
  written: number[],
  wrong: string[],
): Promise<void> {
  const leaseOf = new Map<string, string | undefined>()
  for (let fromRevision = 1; ; await sleep(50)) {
    try {
      for await (const { events, revision } of await store.watch({ prefix: '' }, { fromRevision })) {
        fromRevision = revision + 1
        for (const event of events)
          if (event.kind === 'put') {
            leaseOf.set(event.entry.key, event.entry.leaseId)
            if (event.entry.key === 'written') written.push(Number(Buffer.from(event.entry.value)))
          } else checkGivenAway(event.key)
      }
    } catch (error) {
      if ((error as { code?: string }).code === 'STORE_CLOSED') return
    }
  }

  function checkGivenAway(key: string): void {
    for (const { id, session } of agents)
      if (session.leaseId === leaseOf.get(key) && session.isHeld())
        wrong.push(`${id} believes to hold ${key}, which was given away`)
  }
}

async function until(what: string, isSo: () => boolean | Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 25_000; !(await isSo()); await sleep(20))
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`)
}

/** All is as wished: every registration stands with a lease that is held, one leads, and the view knows. */
async function settled({ etcd, agents, view }: Scene): Promise<void> {
  await until('every session is held', () => agents.every(({ session }) => session.isHeld()))
  await until('one leads', () => agents.filter(({ election }) => election.isLeader()).length === 1)
  await until('every registration stands', async () => {
    const keys = await etcd.etcdctl('get', '--prefix', 'services/', '--keys-only').catch(() => '')
    return keys.split('\n').filter((line) => line !== '').length === agents.length
  })
  await until('the view shows them', () => view.instances().filter(({ suspect }) => !suspect).length === 3)
}

/** The election's leader leads in etcd's raft, too, or another member: kills the raft leader and returns it. */
async function killLeader(etcd: Etcd): Promise<EtcdNode> {
  const leader = await etcd.leader()
  await leader.kill()
  return leader
}

describeEtcd('sessions on a cluster of three', () => {
  test('bear the loss of the leader, of the quorum, and a leader that froze', {
    timeout: 120_000,
  }, async () => {
    await using scene = await setUp()
    const { etcd, agents, view, wrong, written } = scene
    await settled(scene)
    const firstToken = Math.max(...written)

    const killed = await killLeader(etcd)
    await settled(scene)
    await killed.restart()

    const frozen = await etcd.leader()
    frozen.pause()
    await settled(scene)
    frozen.resume()
    await settled(scene)

    const before = agents.map(({ losses }) => losses.length)
    const [one, two] = etcd.nodes
    await Promise.all([one!.kill(), two!.kill()])
    await until('nobody believes any more', () => agents.every(({ session }) => !session.isHeld()))
    expect(agents.some(({ election }) => election.isLeader())).toBe(false)
    await sleep(ttlMs)
    // Once for each epoch, however long it lasts; what was known is kept, as suspects.
    expect(agents.map(({ losses }, index) => losses.slice(before[index]))).toEqual([
      ['expired'],
      ['expired'],
      ['expired'],
    ])
    expect(view.instances().map(({ id, suspect }) => [id, suspect])).toEqual([
      ['a', true],
      ['b', true],
      ['c', true],
    ])
    await Promise.all([one!.restart(), two!.restart()])
    await settled(scene)

    expect(agents.map(({ registration }) => registration.status)).toEqual(Array(3).fill('registered'))
    expect(agents.find(({ election }) => election.isLeader())!.election.term!.token).toBeGreaterThan(
      firstToken,
    )
    await until('the last leader wrote', () => written.at(-1)! > firstToken)
    expect(written).toEqual([...written].sort((left, right) => left - right))
    expect(wrong).toEqual([])
  })
})
