import { coordinationError, type Header, type Selection, type Watch } from '@holdfast/coordination'
import { type HoldfastError, isHoldfastError } from '@holdfast/core'
import type { IWatchRequest, IWatchResponse } from 'etcd3'
import type { ClientStream, Connection } from './connection.ts'
import type { Identity } from './identity.ts'
import { toNumber } from './int64.ts'
import type { Namespace } from './keys.ts'
import { toStoreError } from './status.ts'
import { createAssembler } from './watch-batches.ts'
import { createWatchQueue, type WatchQueue } from './watch-queue.ts'

/** All watches of one connection, on one stream; on a second one only while a token is replaced. */
export interface Watches {
  /** Open ones. */
  readonly size: number
  /** Opens the stream before there is any watch: with a stream open, the connection's end is noticed at once. */
  start(): Promise<void>
  open(selection: Selection, fromRevision: number | undefined, signal: AbortSignal): Promise<Watch>
}

interface Watching {
  readonly queue: WatchQueue
  receive(response: IWatchResponse): void
  fail(error: Error): void
}

interface Multiplexer {
  readonly stream: ClientStream<IWatchRequest>
  readonly watching: Map<string, Watching>
  /** Ids of the watches that etcd has not answered to yet. */
  readonly creating: string[]
  broken: HoldfastError | undefined
  /** A stream with a newer token takes the next watches. */
  superseded: boolean
}

export interface WatchesOptions {
  connection: Connection
  namespace: Namespace
  identity: Identity
  bufferBytes: number
}

export function createWatches({ connection, namespace, identity, bufferBytes }: WatchesOptions): Watches {
  const multiplexers = new Set<Multiplexer>()
  let newest: Promise<Multiplexer> | undefined
  let lastId = 0

  return {
    get size() {
      return [...multiplexers].reduce((total, { watching }) => total + watching.size, 0)
    },
    async start() {
      await current()
    },
    async open(selection, fromRevision, signal) {
      const multiplexer = await current()
      try {
        return await create(multiplexer, selection, fromRevision, signal)
      } catch (error) {
        // The stream's token may have expired since: etcd says "permission denied" to both.
        const { token } = multiplexer.stream
        if (token === undefined || !isHoldfastError(error, 'STORE_DENIED')) throw error
        await connection.renewToken(token)
        if (!multiplexer.superseded) newest = undefined
        multiplexer.superseded = true
        return await create(await current(), selection, fromRevision, signal)
      }
    },
  }

  function current(): Promise<Multiplexer> {
    if (newest) return newest
    const opening = openMultiplexer()
    newest = opening
    opening.catch(() => {
      if (newest === opening) newest = undefined // Its callers have the error; the next one opens anew.
    })
    return opening
  }

  async function openMultiplexer(): Promise<Multiplexer> {
    const watching = new Map<string, Watching>()
    const creating: string[] = []
    const state = { broken: undefined as HoldfastError | undefined, superseded: false }
    const stream = await connection.stream<IWatchRequest, IWatchResponse>({
      what: 'watch',
      open: ({ watchClient }, options) => watchClient.watch(options),
      isIdle: () => watching.size === 0,
      onData: (response) => watching.get(idOf(response))?.receive(response),
      onBroken: (error) => {
        state.broken = error
        if (!state.superseded) newest = undefined
        for (const watch of [...watching.values()]) watch.fail(error)
      },
    })
    const multiplexer = Object.assign(state, { stream, watching, creating })
    multiplexers.add(multiplexer)
    return multiplexer

    /** Creations are answered in their order, the refused ones with the id -1. */
    function idOf(response: IWatchResponse): string {
      return (response.created ? creating.shift() : undefined) ?? response.watch_id
    }
  }

  function create(
    multiplexer: Multiplexer,
    selection: Selection,
    fromRevision: number | undefined,
    signal: AbortSignal,
  ): Promise<Watch> {
    signal.throwIfAborted()
    if (multiplexer.broken) throw multiplexer.broken
    const { stream, watching, creating } = multiplexer
    lastId += 1
    const id = String(lastId)
    return new Promise<Watch>((resolve, reject) => {
      const queue = createWatchQueue(bufferBytes, forget)
      const assemble = createAssembler(namespace, identity)
      watching.set(id, { queue, receive, fail })
      signal.addEventListener('abort', queue.end, { once: true })
      creating.push(id)
      stream.write({
        create_request: {
          ...namespace.range(selection),
          ...(fromRevision === undefined ? {} : { start_revision: fromRevision }),
          watch_id: id,
          progress_notify: true,
          fragment: true,
        },
      })

      function receive(response: IWatchResponse): void {
        if (response.canceled) fail(cancelled(response, fromRevision))
        else if (response.created) accept(identity.header(response.header))
        else for (const batch of assemble(response)) queue.push(batch)
      }

      function accept(started: Header): void {
        signal.removeEventListener('abort', queue.end)
        resolve(toWatch(queue, started))
      }

      function fail(error: Error): void {
        reject(error)
        queue.fail(error)
      }
    })

    function forget(): void {
      if (!watching.delete(id) || multiplexer.broken) return
      stream.write({ cancel_request: { watch_id: id } })
      if (watching.size > 0) return
      if (multiplexer.superseded) {
        multiplexers.delete(multiplexer)
        stream.end()
      }
      connection.settled()
    }
  }

  function cancelled(
    { compact_revision, cancel_reason }: IWatchResponse,
    fromRevision: number | undefined,
  ): HoldfastError {
    const compactRevision = toNumber(compact_revision)
    if (compactRevision > 0)
      return coordinationError(
        'WATCH_COMPACTED',
        `${connection.endpoint}: watch: history is kept from revision ${compactRevision}: read the present and go on from there`,
        { fields: { revision: fromRevision, compactRevision } },
      )
    return toStoreError(
      { code: 1, details: cancel_reason || 'etcd cancelled the watch' },
      `${connection.endpoint}: watch`,
    )
  }
}

function toWatch(queue: WatchQueue, started: Header): Watch {
  const close = async (): Promise<void> => queue.end()
  return { started, [Symbol.asyncIterator]: () => queue.batches, close, [Symbol.asyncDispose]: close }
}
