import {
  type CoordinationStore,
  type Entry,
  openView,
  type Selection,
  type View,
} from '@holdfast/coordination'
import { checkMethods, checkNumber, checkString } from '@holdfast/core'
import { nest } from '../nest.ts'
import type { Loaded, LoadOptions, Parser, RunningSource, Source, SourceContext } from '../source.ts'
import { parseJson } from './json.ts'
import { parseOrThrow, parseText } from './parse.ts'

export interface StoreSourceOptions {
  /** For the document of a key, or each value below a prefix. @default parseJson */
  parse?: Parser
  /** Whether the key may be missing, or the store out of reach. @default false */
  optional?: boolean
  /** How often, at least, the store is asked by a small read whether the view is current, in milliseconds, ≥ 100: twice in this time. It bounds how late a change is noticed that the watch lost. @default 30_000 */
  maxStaleMs?: number
  /** @default 'store KEY' */
  name?: string
}

/**
 * A key of a coordination store, or all keys below a prefix, as a layer.
 *
 * A key holds one document. Below a prefix, `PREFIX/upstream/url` is the value of `upstream.url`,
 * and all of them are read as of one revision. Stands on a view of `@holdfast/coordination`: no
 * change is missed, whatever happens to the watch, and a lost one is made good by comparing anew.
 */
export function storeSource(
  store: CoordinationStore,
  selection: Selection,
  options: StoreSourceOptions = {},
): Source {
  const parse = options.parse ?? parseJson
  const place = 'key' in selection ? selection.key : selection.prefix
  const name = checkString('name', options.name ?? `store ${place}`)
  const decode = 'key' in selection ? decodeKey : decodePrefix
  return viewSource(store, selection, { ...options, name, decode })

  function decodeKey([entry]: readonly Entry[]): Loaded {
    return entry ? parseText(name, textOf(entry), parse, String(entry.modRevision)) : { kind: 'absent' }
  }

  function decodePrefix(entries: readonly Entry[]): Loaded {
    if (entries.length === 0) return { kind: 'absent' }
    const values = entries.map((entry) => {
      const path = entry.key
        .slice(place.length)
        .split('/')
        .filter((key) => key !== '')
      return [path, parseOrThrow(`${name}: ${entry.key}`, textOf(entry), parse)] as const
    })
    return { kind: 'document', document: nest(name, values), revision: revisionOf(entries) }
  }
}

/**
 * The two keys of a rollout as a layer: `PREFIX/active` runs; `PREFIX/staged` is tried in all but
 * the swap, and reported in `status().staged`, before a controller makes it active.
 */
export function rolloutSource(
  store: CoordinationStore,
  prefix: string,
  options: StoreSourceOptions = {},
): Source {
  const parse = options.parse ?? parseJson
  const keys = rolloutKeys(prefix)
  const name = checkString('name', options.name ?? `store ${keys.active}`)
  return viewSource(store, { prefix: keys.folder }, { ...options, name, decode })

  function decode(entries: readonly Entry[]): Loaded {
    const active = read(entries, keys.active)
    const staged = read(entries, keys.staged)
    if (active.kind !== 'document' || staged.kind !== 'document') return active
    return { ...active, staged: { document: staged.document, revision: staged.revision } }
  }

  function read(entries: readonly Entry[], key: string): Loaded {
    const entry = entries.find((candidate) => candidate.key === key)
    return entry ? parseText(key, textOf(entry), parse, String(entry.modRevision)) : { kind: 'absent' }
  }
}

export function rolloutKeys(prefix: string): { folder: string; active: string; staged: string } {
  const folder = `${checkString('prefix', prefix).replace(/\/$/, '')}/`
  return { folder, active: `${folder}active`, staged: `${folder}staged` }
}

interface ViewSourceOptions extends StoreSourceOptions {
  readonly name: string
  readonly decode: (entries: readonly Entry[]) => Loaded
}

function viewSource(store: CoordinationStore, selection: Selection, options: ViewSourceOptions): Source {
  const { name, optional = false, decode } = options
  checkMethods('store', store, ['range', 'watch'])
  const maxStaleMs = checkNumber('maxStaleMs', options.maxStaleMs ?? 30_000, { min: 100 })
  return { name, optional, start: (context) => startView(store, selection, { maxStaleMs, decode, context }) }
}

/** Opens the view with the first load that reaches the store; the config's own retries are the only ones. */
function startView(
  store: CoordinationStore,
  selection: Selection,
  options: { maxStaleMs: number; decode: (entries: readonly Entry[]) => Loaded; context: SourceContext },
): RunningSource {
  const { maxStaleMs, decode, context } = options
  const { clock, random, wake } = context
  let view: View | undefined
  let closed = false
  return {
    async load({ signal, fresh }: LoadOptions) {
      view ??= await open(signal)
      // Not for its age: what woke us is in the view already, and a fleet would ask the store all at once.
      if (fresh || view.status !== 'connected') await view.confirm({ signal })
      return decode(view.entries())
    },
    async close() {
      closed = true
      await view?.close()
    },
  }

  async function open(signal: AbortSignal | undefined): Promise<View> {
    const opened = await openView(store, {
      ...selection,
      maxStaleMs,
      clock,
      random,
      signal,
      openTimeoutMs: Number.POSITIVE_INFINITY,
    })
    if (closed) await opened.close()
    opened.on('changed', wake)
    opened.on('connected', wake)
    opened.on('disconnected', wake)
    return opened
  }
}

function textOf(entry: Entry): string {
  return new TextDecoder().decode(entry.value)
}

function revisionOf(entries: readonly Entry[]): string {
  return String(Math.max(...entries.map((entry) => entry.modRevision)))
}
