import type { WatchBatch, WatchEvent } from '@holdfast/coordination'
import type { IEvent, IWatchResponse } from 'etcd3'
import type { Identity } from './identity.ts'
import { toNumber } from './int64.ts'
import type { Namespace } from './keys.ts'
import { toEntry } from './messages.ts'

/** Puts what etcd sends for one watch together, and takes it apart by revision. */
export type Assembler = (response: IWatchResponse) => WatchBatch[]

/**
 * etcd may send the events of a response in several fragments, each marked but the last, and
 * many revisions in one response; it never splits a revision in any other way. A response
 * without events tells that all up to its revision has been sent.
 */
export function createAssembler(namespace: Namespace, identity: Identity): Assembler {
  let fragments: IEvent[] = []

  return (response) => {
    fragments = fragments.length === 0 ? response.events : fragments.concat(response.events)
    if (response.fragment) return []
    const events = fragments
    fragments = []
    const header = identity.header(response.header)
    return events.length === 0 ? [{ ...header, events: [] }] : byRevision(namespace, header.clusterId, events)
  }
}

function byRevision(namespace: Namespace, clusterId: string, events: readonly IEvent[]): WatchBatch[] {
  const batches: (WatchBatch & { events: WatchEvent[] })[] = []
  for (const event of events) {
    const revision = toNumber(event.kv.mod_revision)
    const last = batches.at(-1)
    if (last?.revision === revision) last.events.push(toEvent(namespace, event))
    else batches.push({ clusterId, revision, events: [toEvent(namespace, event)] })
  }
  return batches
}

function toEvent(namespace: Namespace, { type, kv }: IEvent): WatchEvent {
  // The wire's names are in capitals; etcd3's typings say otherwise.
  if ((type as string).toUpperCase() === 'PUT') return { kind: 'put', entry: toEntry(namespace, kv) }
  return { kind: 'delete', key: namespace.decode(kv.key), modRevision: toNumber(kv.mod_revision) }
}
