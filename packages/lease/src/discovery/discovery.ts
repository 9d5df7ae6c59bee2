import { type CoordinationStore, openView } from '@holdfast/coordination'
import {
  type Clock,
  checkFunction,
  checkInteger,
  checkMethods,
  checkNumber,
  type Random,
  type Running,
  type Stats,
  systemClock,
} from '@holdfast/core'
import { LRUCache } from 'lru-cache'
import { leaseError } from '../errors.ts'
import { servicePrefix } from '../registration/record.ts'
import { checkName } from '../registration/registration.ts'
import { checkStore } from '../session/options.ts'
import type { DecodeMetadata } from './instance.ts'
import { openServiceView, type ServiceView } from './service-view.ts'

export interface DiscoveryOptions {
  /** How many views stay live; the least recently asked for is closed for the next one, ≥ 1. @default 64 */
  maxServices?: number
  /** @default systemClock */
  clock?: Clock
  /** @default Math.random */
  random?: Random
}

export interface ViewServiceOptions<Metadata> {
  /** The bound on `staleMs` to keep while the store answers, in milliseconds, ≥ 100. @default 5_000 */
  maxStaleMs?: number
  /**
   * Self-preservation: when more than this share of the instances vanishes within `preserveWindowMs`, without
   * having been draining, they stay, as suspects, until the window is over and a linearizable read does not
   * find them; from 0 to 1. @default off
   */
  preserve?: number
  /** In milliseconds, > 0. @default 10_000 */
  preserveWindowMs?: number
  /** How long `pick` leaves an instance out after its first failure, in milliseconds, ≥ 0. @default 10_000 */
  failedMs?: number
  /** Checks what other processes registered. @default takes it as it is */
  decode?: DecodeMetadata<Metadata>
  /** How long opening tries, in milliseconds, > 0. @default 5_000 */
  openTimeoutMs?: number
}

/** Live views of services, each opened once and shared by all who ask for it. */
export interface Discovery extends Running {
  /**
   * The live view of a service; the first call for it, or for other options, opens one. Ask again
   * rather than keep it: that is what tells which views are in use. Rejects as `openView` does, and then
   * the next call tries again; with `DISCOVERY_CLOSED` after `close()`.
   */
  view<Metadata = unknown>(
    service: string,
    options?: ViewServiceOptions<Metadata>,
  ): Promise<ServiceView<Metadata>>
  stats(): Stats
}

/** Finds instances of services. The store stays the caller's: close the discovery first. */
export function createDiscovery(store: CoordinationStore, options: DiscoveryOptions = {}): Discovery {
  checkStore(store)
  const clock = checkMethods('clock', options.clock ?? systemClock, ['now', 'uptime', 'sleep'])
  const random = checkFunction('random', options.random ?? Math.random)
  const closings = new Set<Promise<void>>()
  const numbers = new WeakMap<object, number>()
  let lastNumber = 0
  let isClosed = false
  const views = new LRUCache<string, Promise<ServiceView<unknown>>>({
    max: checkInteger('maxServices', options.maxServices ?? 64, { min: 1 }),
    dispose: (opening) => track(opening.then((view) => view.close(), ignoreFailedOpening)),
  })
  return { view, stats, close, [Symbol.asyncDispose]: close }

  async function view<Metadata>(
    service: string,
    wanted: ViewServiceOptions<Metadata> = {},
  ): Promise<ServiceView<Metadata>> {
    if (isClosed) throw leaseError('DISCOVERY_CLOSED', 'the discovery was closed: create a new one')
    const name = keyOf(checkName('service', service), wanted)
    const live = views.get(name) as Promise<ServiceView<Metadata>> | undefined
    const known = live && (await live.catch(() => undefined))
    if (known && known.status !== 'closed') return known
    if (live && views.peek(name) === (live as Promise<ServiceView<unknown>>)) views.delete(name)
    return (
      (views.get(name) as Promise<ServiceView<Metadata>> | undefined) ?? remember(name, open(service, wanted))
    )
  }

  function remember<Metadata>(
    name: string,
    opening: Promise<ServiceView<Metadata>>,
  ): Promise<ServiceView<Metadata>> {
    views.set(name, opening as Promise<ServiceView<unknown>>)
    return opening
  }

  async function open<Metadata>(
    service: string,
    wanted: ViewServiceOptions<Metadata>,
  ): Promise<ServiceView<Metadata>> {
    const { maxStaleMs, openTimeoutMs, preserve, preserveWindowMs = 10_000, failedMs = 10_000 } = wanted
    checkNumber('preserveWindowMs', preserveWindowMs, { min: 1 })
    checkNumber('failedMs', failedMs, { min: 0 })
    if (preserve !== undefined) checkNumber('preserve', preserve, { min: 0, max: 1 })
    const decode = wanted.decode ?? ((metadata: unknown) => metadata as Metadata)
    const source = await openView(store, {
      prefix: servicePrefix(service),
      ...(maxStaleMs === undefined ? {} : { maxStaleMs }),
      ...(openTimeoutMs === undefined ? {} : { openTimeoutMs }),
      ...{ clock, random },
    })
    const preservation = preserve === undefined ? undefined : { share: preserve, windowMs: preserveWindowMs }
    return openServiceView(source, { service, decode, preservation, failedMs, clock, random })
  }

  /** Other options are another view. */
  function keyOf<Metadata>(service: string, { decode, ...knobs }: ViewServiceOptions<Metadata>): string {
    if (decode !== undefined) checkFunction('decode', decode)
    if (decode && !numbers.has(decode)) numbers.set(decode, ++lastNumber)
    return JSON.stringify([service, decode && numbers.get(decode), Object.entries(knobs).sort()])
  }

  function track(closing: Promise<void>): void {
    closings.add(closing)
    void closing.finally(() => closings.delete(closing))
  }

  async function close(): Promise<void> {
    isClosed = true
    views.clear()
    await Promise.all(closings)
  }

  function stats(): Stats {
    return { discovery_views: { kind: 'gauge', help: 'Live views of services', value: views.size } }
  }
}

/** Who asked for the view has been told. */
function ignoreFailedOpening(): void {}
