import type {
  CoordinationStore,
  Entry,
  Operation,
  TransactionResult,
  Watch,
  WatchBatch,
} from '../../store.ts'
import type { ComplianceExpect, ComplianceSubject, ComplianceSupport } from '../compliance.ts'

export interface Case {
  readonly name: string
  /** What a store must support for it. */
  readonly needs?: keyof ComplianceSupport
  run(subject: Subject): Promise<void>
}

export interface Subject extends ComplianceSubject {
  readonly expect: ComplianceExpect
  /** A key of this case. */
  at(key?: string): string
}

export const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)
export const text = (value: Uint8Array): string => new TextDecoder().decode(value)

export function put(key: string, value: string = key, leaseId?: string): Operation {
  return { kind: 'put', key, value: bytes(value), ...(leaseId === undefined ? {} : { leaseId }) }
}

export function remove(key: string): Operation {
  return { kind: 'delete', at: { key } }
}

export function write(store: CoordinationStore, ...operations: Operation[]): Promise<TransactionResult> {
  return store.transact({ then: operations })
}

export async function read(store: CoordinationStore, key: string): Promise<Entry | undefined> {
  return (await store.range({ key })).entries[0]
}

/** The code it rejects with, the error's own name where it has no code, or `resolved`. */
export async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise
    return 'resolved'
  } catch (error) {
    return (error as { code?: string }).code ?? (error as Error).name
  }
}

/** Reads a watch by hand, leaving progress notices out. */
export interface Reader {
  next(): Promise<IteratorResult<WatchBatch>>
  /** The next batches, each as `put key=value` and `delete key`. */
  told(count: number): Promise<string[]>
}

export function readerOf(watch: Watch, prefix: string): Reader {
  const batches = watch[Symbol.asyncIterator]()
  return { next, told }

  async function next(): Promise<IteratorResult<WatchBatch>> {
    for (;;) {
      const result = await batches.next()
      if (result.done || result.value.events.length > 0) return result
    }
  }

  async function told(count: number): Promise<string[]> {
    const lines: string[] = []
    while (lines.length < count) {
      const { done, value } = await next()
      lines.push(done ? 'ended' : tell(value, prefix))
      if (done) break
    }
    return lines
  }
}

/** A transaction's events have no order among themselves, so they are told in the order of their keys. */
function tell(batch: WatchBatch, prefix: string): string {
  const lines = batch.events.map((event) =>
    event.kind === 'put'
      ? `${event.entry.key.slice(prefix.length)} put ${text(event.entry.value)}`
      : `${event.key.slice(prefix.length)} delete`,
  )
  return lines.sort().join(', ')
}
