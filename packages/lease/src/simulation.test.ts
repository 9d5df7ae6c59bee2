import { createMemoryStore, type MemoryStore } from '@holdfast/coordination'
import { type FaultyStore, withFaults } from '@holdfast/coordination/testing'
import type { Random } from '@holdfast/core'
import { createFakeClock, createSeededRandom, type FakeClock } from '@holdfast/core/testing'
import { expect, test } from 'vitest'
import { createDiscovery } from './discovery/discovery.ts'
import type { ServiceView } from './discovery/service-view.ts'
import { type Election, startElection, type Term } from './election/election.ts'
import { type Registration, register } from './registration/registration.ts'
import { openSession, type Session } from './session/session.ts'

/**
 * Random schedules of faults over several processes, each with a clock and a network of its own,
 * on one store; what must never be is looked at after every step. A failure names its seed:
 * `HOLDFAST_SEED=n vitest run packages/lease/src/simulation.test.ts` runs it alone.
 */
const deep = process.env['HOLDFAST_DEEP'] === '1'
const only = process.env['HOLDFAST_SEED']
const first = 1 + (only ? Number(only) - 1 : deep ? Math.floor(Math.random() * 1e9) : 0)
const count = only ? 1 : deep ? 1_000 : 6
const seeds = Array.from({ length: count }, (_, index) => first + index)

const stepMs = 200
const ttlMs = 4_000
const steps = 150

interface Host {
  readonly id: string
  readonly incarnation: number
  readonly clock: FakeClock
  readonly store: FaultyStore
  /** Of its clock to the store's: within what the default margin bears. */
  readonly rate: number
  session?: Session
  registration?: Registration<number>
  election?: Election
  /** The time that passes by unseen while the event loop is blocked or the host suspended. */
  frozen?: { how: 'stall' | 'suspend'; steps: number; ms: number }
  refused?: unknown
}

interface World {
  readonly random: Random
  readonly clock: FakeClock
  readonly memory: MemoryStore
  readonly hosts: Host[]
  readonly writes: number[]
  readonly trace: string[]
  incarnations: number
}

test.each(['faults', 'harm'] as const)(
  `%s: ${count} schedules from seed ${first}`,
  { timeout: 900_000 },
  async (kind) => {
    for (const seed of seeds) await run(kind, seed)
  },
)

async function run(kind: 'faults' | 'harm', seed: number): Promise<void> {
  const random = createSeededRandom(seed)
  const clock = createFakeClock()
  const memory = createMemoryStore({ clock })
  const world: World = { random, clock, memory, hosts: [], writes: [], trace: [], incarnations: 0 }
  try {
    for (const id of ['a', 'b', 'c']) start(world, id)
    const observer = await observe(world)
    for (let step = 0; step < steps; step += 1) {
      disturb(world, observer.store, kind)
      await pass(world, observer.clock)
      if (kind === 'faults') await checkSafety(world)
    }
    await checkRecovery(world, observer)
    if (kind === 'faults') await checkSafety(world)
    await close(world, observer)
  } catch (error) {
    throw new Error(`seed ${seed}, ${kind}:\n${world.trace.slice(-40).join('\n')}`, { cause: error })
  }
}

/** A process that comes up; one of the same id may still be there. */
function start(world: World, id: string): void {
  const { random, memory } = world
  world.incarnations += 1
  const clock = createFakeClock({ now: 1_000 * world.incarnations })
  const store = withFaults(memory.connect(), { clock, random, deadlineMs: 1_500, silenceMs: 2_500 })
  const host: Host = { id, incarnation: world.incarnations, clock, store, rate: 0.9 + 0.2 * random() }
  world.hosts.push(host)
  void boot(world, host).catch((error: unknown) => {
    host.refused = error
  })
}

async function boot(world: World, host: Host): Promise<void> {
  const { clock, store, id, incarnation } = host
  const session = await openSession(store, { ttlMs, clock, random: createSeededRandom(incarnation) })
  host.session = session
  host.election = startElection(session, 'leader', (term) => lead(world, host, term))
  host.registration = await register(session, { service: 'edge', id, incarnation }, 0)
}

/** Writes its token under its guard, again and again. */
async function lead({ memory, writes }: World, { clock }: Host, term: Term): Promise<void> {
  while (!term.signal.aborted) {
    const put = { kind: 'put', key: 'written', value: Buffer.from(`${term.token}`) } as const
    const { succeeded } = await memory.transact(term.guard({ then: [put] }))
    if (succeeded) writes.push(term.token)
    await clock.sleep(100, term.signal)
  }
}

interface Observer {
  readonly clock: FakeClock
  readonly store: FaultyStore
  readonly view: ServiceView<unknown>
  /** What the changes told, put together. */
  readonly told: Map<string, number>
  close(): Promise<void>
}

async function observe({ random, memory }: World): Promise<Observer> {
  const clock = createFakeClock()
  const store = withFaults(memory.connect(), { clock, random, deadlineMs: 1_500, silenceMs: 2_500 })
  const discovery = createDiscovery(store, { clock, random })
  const view = await discovery.view('edge', { maxStaleMs: 3_000 })
  const told = new Map(view.instances().map(({ id, modRevision }) => [id, modRevision]))
  const follow = async (): Promise<void> => {
    for await (const { added, changed, removed } of view.changes({ maxPending: 3 })) {
      for (const { id } of removed) told.delete(id)
      for (const { id, modRevision } of [...added, ...changed]) told.set(id, modRevision)
    }
  }
  void follow()
  return { clock, store, view, told, close: () => discovery.close().then(() => store.close()) }
}

function disturb(world: World, watched: FaultyStore, kind: 'faults' | 'harm'): void {
  const { random, memory, hosts } = world
  if (random() > 0.25) return
  const host = hosts[Math.floor(random() * hosts.length)]!
  const store = random() < 0.2 ? watched : host.store
  const faults: (() => void)[] = [
    () => store.partition((['both', 'requests', 'answers'] as const)[Math.floor(random() * 3)]),
    () => store.delay({ minMs: 0, maxMs: 3_000 * random() }),
    () => store.lose({ requests: 0.3 * random(), answers: 0.3 * random(), watches: 0.2 * random() }),
    () => store.breakWatches(),
    () => store.heal(),
    () => store.heal(),
    () => memory.compact(),
    () => freeze(world, host, 'stall'),
    () => freeze(world, host, 'suspend'),
    () => void host.election?.resign(),
    () => void host.registration?.update((n) => n + 1).catch(() => {}),
    () => hosts.length < 8 && start(world, host.id),
  ]
  const harms: (() => void)[] = [
    () => memory.wipe(),
    () => rollBack(world),
    () => void memory.revokeLease(host.session?.leaseId ?? '0').catch(() => {}),
    () => void memory.transact({ then: [{ kind: 'delete', at: { prefix: 'services/' } }] }),
    () => void memory.transact({ then: [{ kind: 'delete', at: { prefix: 'elections/' } }] }),
  ]
  const all = kind === 'harm' ? [...faults, ...harms] : faults
  const act = all[Math.floor(random() * all.length)]!
  world.trace.push(`${world.clock.now()} ${host.id}${host.incarnation} ${act.toString().slice(6)}`)
  act()
}

/** To a backup of some revisions ago, where history is kept from there. */
function rollBack({ memory, random }: World): void {
  const revision = memory.stats?.()['store_revision']?.value ?? 1
  try {
    memory.rollback(Math.max(1, revision - Math.floor(20 * random())))
  } catch (error) {
    if (!(error instanceof RangeError)) throw error
  }
}

function freeze({ random }: World, host: Host, how: 'stall' | 'suspend'): void {
  host.frozen ??= { how, steps: 1 + Math.floor(random() * 60), ms: 0 }
}

async function pass(world: World, observerClock: FakeClock): Promise<void> {
  await world.clock.advance(stepMs)
  await observerClock.advance(stepMs)
  for (const host of world.hosts) {
    const { clock, frozen, rate } = host
    if (!frozen) await clock.advance(stepMs * rate)
    else {
      frozen.ms += stepMs * rate
      frozen.steps -= 1
      if (frozen.steps === 0) thaw(host)
    }
  }
}

/** The first line after: nothing has run yet that could have noticed. */
function thaw(host: Host): void {
  host.clock[host.frozen!.how](host.frozen!.ms)
  delete host.frozen
}

/** Holds after every step, for every process that could run a line of code now. */
async function checkSafety({ memory, hosts, writes, clock, trace }: World): Promise<void> {
  const running = hosts.filter((host) => !host.frozen)
  const leaders = running.filter(({ election }) => election?.isLeader())
  const { entries } = await memory.range({ prefix: 'elections/' })
  const lowest = Math.min(
    ...entries.filter(({ version }) => version === 1).map((entry) => entry.createRevision),
  )
  if (leaders.length > 0)
    trace.push(`${clock.now()} ${leaders[0]!.id} leads with ${leaders[0]!.election?.term?.token}`)
  expect(leaders.length, 'two leaders at once').toBeLessThanOrEqual(1)
  for (const { election } of leaders)
    expect(lowest, 'it leads, yet the key was given away').toBe(election?.term?.token)
  for (const { session } of running)
    if (session?.isHeld()) expect(session.signal.aborted, 'held, yet its signal has aborted').toBe(false)
  await checkLeases(memory, running)
  expect(isRising(writes), 'a guarded write of an older term').toBe(true)
}

function isRising(numbers: readonly number[]): boolean {
  return numbers.every((number, index) => index === 0 || number >= numbers[index - 1]!)
}

/** A lease that is held must be one that the store would still put keys with. */
async function checkLeases(memory: MemoryStore, running: readonly Host[]): Promise<void> {
  for (const { session } of running) {
    if (!session?.isHeld()) continue
    const { leaseId } = session
    // Refused where the lease is gone.
    const then = [{ kind: 'put', key: 'canary', value: Buffer.from(''), leaseId }] as const
    await memory.transact({ then })
  }
}

/** When all faults are over and a while has passed, everything is as it was wished. */
async function checkRecovery(world: World, { store, view, told, clock }: Observer): Promise<void> {
  const { memory, hosts } = world
  for (const host of hosts) {
    host.store.heal()
    if (host.frozen) thaw(host)
  }
  store.heal()
  for (let step = 0; step < 150; step += 1) await pass(world, clock)
  expect(hosts.filter(({ election }) => election?.isLeader()).length, 'one leader').toBe(1)
  const { entries } = await memory.range({ prefix: 'services/edge/' })
  const standing = new Map(
    entries.map(({ key, modRevision }) => [key.slice('services/edge/'.length), modRevision]),
  )
  expect(new Map(view.instances().map(({ id, modRevision }) => [id, modRevision])), 'the view').toEqual(
    standing,
  )
  expect(told, 'what the changes told').toEqual(standing)
  expect(view.staleMs).toBeLessThanOrEqual(3_000)
  checkRegistrations(hosts, view)
}

/** Of each id, the highest incarnation that ever registered stands, and knows it; the others know that too. */
function checkRegistrations(hosts: readonly Host[], view: ServiceView<unknown>): void {
  for (const id of ['a', 'b', 'c']) {
    const contenders = hosts.filter((host) => host.id === id && host.registration)
    const highest = contenders.reduce((best, host) => (host.incarnation > best.incarnation ? host : best))
    const { incarnation, registration } = highest
    expect(registration?.status, `${id}${incarnation}`).toBe('registered')
    expect(view.get(id)).toMatchObject({ incarnation, metadata: registration?.metadata, suspect: false })
    for (const host of contenders)
      if (host !== highest) expect(host.registration?.status, `${id}${host.incarnation}`).toBe('superseded')
  }
  for (const { registration, refused, id, incarnation } of hosts)
    if (!registration) expect(refused, `${id}${incarnation}`).toMatchObject({ code: 'REGISTRATION_CONFLICT' })
}

async function close({ hosts, memory }: World, observer: Observer): Promise<void> {
  await observer.close()
  for (const { session, store } of hosts) {
    await session?.close()
    await store.close()
  }
  expect(
    (await memory.range({ prefix: 'services/' })).count +
      (await memory.range({ prefix: 'elections/' })).count,
  ).toBe(0)
  for (const { clock } of hosts) expect(clock.sleepers, 'timers left').toBe(0)
  await memory.close()
}
