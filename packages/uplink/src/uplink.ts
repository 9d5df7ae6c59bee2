import { setMaxListeners } from 'node:events'
import { createEvents, type WaitOptions } from '@holdfast/core'
import { uplinkError } from './errors.ts'
import { createGate } from './gate/gate.ts'
import { openConnections } from './http/connections.ts'
import { checkUplinkOptions } from './options.ts'
import type { Parcel } from './ship/batch.ts'
import { createGatherer } from './ship/gather.ts'
import { createHand } from './ship/hand.ts'
import { postBatch } from './ship/post.ts'
import { ship } from './ship/ship.ts'
import { countEvents } from './stats.ts'
import type { Uplink, UplinkEvents, UplinkJob, UplinkOptions } from './types.ts'

/**
 * Ships what a queue holds to a collector over HTTP(S), batch by batch, until closed.
 *
 * At least once: a message is acknowledged to the queue after the collector
 * accepted it, never before; where the process dies between the two, the
 * message is sent again under the same id. A collector that is down, slow or
 * tells us to wait is tried for as long as it takes, with the leases kept; a
 * message that it refuses for good goes to the queue's dead letter with the
 * answer. With `concurrency: 1` batches go in the order of the queue.
 *
 * Rejects where options are bad or the TLS files cannot be read.
 */
export async function startUplink<T>(options: UplinkOptions<T>): Promise<Uplink> {
  const settings = checkUplinkOptions(options)
  const { clock, random, backoff, queue, format } = settings
  const events = createEvents<UplinkEvents>()
  const taking = new AbortController()
  const working = new AbortController()
  // Each worker listens for its end a few times: from eleven on, Node would take that for a leak.
  setMaxListeners(0, taking.signal, working.signal)
  const connections = await openConnections(settings.url, settings.tls, clock, {
    reloaded: () => events.emit('tlsReloaded'),
    rejected: (error) => events.emit('tlsRejected', { error }),
  })
  const gate = createGate({ ...settings, events })
  const hand = createHand<T>({ ...settings, events })
  const stats = countEvents(events.on, gate, hand)
  const shipping = {
    settings,
    hand,
    gate,
    events,
    signal: working.signal,
    draining: taking.signal,
    post: (parcels: readonly Parcel<T>[]) => postBatch(parcels, settings, connections, working.signal),
  }
  const leases = hand.keepLeases(working.signal)
  const workers = Promise.all(Array.from({ length: settings.concurrency }, work))
  const exited = workers.then(() => undefined)
  exited.catch(() => undefined) // who cares listens to it; nobody has to
  let closing: Promise<void> | undefined

  return { on: events.on, drain, close, [Symbol.asyncDispose]: close, exited, stats }

  async function work(): Promise<void> {
    const next = createGatherer<T>({
      queue,
      size: settings.batch,
      maxAgeMs: settings.batch.maxAgeMs,
      clock,
      random,
      backoff,
      signal: taking.signal,
      pack,
      failed: (error) => events.emit('queueFailed', { action: 'take', error }),
    })
    try {
      for (let batch = await next(); batch.length > 0; batch = await next()) await ship(batch, shipping)
    } catch (error) {
      if (!taking.signal.aborted) throw error
    }
  }

  async function pack(jobs: readonly UplinkJob<T>[]): Promise<readonly Parcel<T>[]> {
    for (const job of jobs) hand.add(job)
    const parcels = await Promise.all(jobs.map(encode))
    return parcels.filter((parcel) => parcel !== undefined)
  }

  async function encode(job: UplinkJob<T>): Promise<Parcel<T> | undefined> {
    const { id, value } = job
    try {
      const encoded = format.encode({ id, value })
      return { job, bytes: typeof encoded === 'string' ? Buffer.from(encoded) : encoded }
    } catch (cause) {
      const message = `Message ${id} cannot be encoded and is put to the dead letter`
      const error = uplinkError('UPLINK_ENCODE_FAILED', message, { cause, fields: { id } })
      if (await hand.bury(job, error)) events.emit('refused', { id, error })
      return undefined
    }
  }

  async function drain({ signal }: WaitOptions = {}): Promise<void> {
    taking.abort(uplinkError('UPLINK_CLOSED', 'The uplink was drained with this message in hand'))
    await untilAborted(workers.then(giveBack), signal)
  }

  function giveBack(): Promise<void> {
    return hand.returnAll(taking.signal.reason)
  }

  function close(): Promise<void> {
    closing ??= stop()
    return closing
  }

  async function stop(): Promise<void> {
    const reason = uplinkError('UPLINK_CLOSED', 'The uplink was closed with this message in hand')
    taking.abort(reason)
    working.abort(reason)
    await Promise.allSettled([workers, leases])
    await giveBack()
    connections.close()
  }
}

/** Settles as the task does, or resolves when the signal aborts: an abort ends the waiting alone. */
async function untilAborted(task: Promise<unknown>, signal: AbortSignal | undefined): Promise<void> {
  if (!signal) {
    await task
    return
  }
  let end: (() => void) | undefined
  const aborted = new Promise<void>((resolve) => {
    end = resolve
    if (signal.aborted) resolve()
    signal.addEventListener('abort', resolve as () => void, { once: true })
  })
  try {
    await Promise.race([task, aborted])
  } finally {
    signal.removeEventListener('abort', end as () => void)
  }
}
