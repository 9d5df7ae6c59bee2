import { parentPort, workerData } from 'node:worker_threads'
import type { Compression } from '../chunks/codec.ts'
import { createChunkId } from '../keys/keys.ts'
import { type ListAnswer, type ListOrder, listFolder } from './list-folder.ts'
import { compressRead, type ReadAnswer, readFiles } from './read-files.ts'
import { createStopFlag } from './stop-flag.ts'
import { type UnpackOrder, unpack } from './unpack.ts'

// What runs in a thread: it does what it is ordered to, one after the other, with calls that wait.
// Those cost a tenth of the others. What does not go smoothly it leaves to who can tell what is wrong.

export interface ThreadData {
  readonly idKey: Uint8Array | undefined
  /** Of the files that it reads, in bytes. */
  readonly maxBytes: number
  readonly compression: Compression
  /** Of its `StopFlag`. */
  readonly stopFlag: SharedArrayBuffer
}

export type Order =
  | { readonly kind: 'read'; readonly batch: number; readonly paths: readonly string[] }
  /** Which files of a batch that was read to compress, by their place in it; all are let go of. */
  | { readonly kind: 'compress'; readonly batch: number; readonly wanted: readonly number[] }
  | ListOrder
  | UnpackOrder

interface Answers {
  read: ReadAnswer
  compress: CompressedBatch
  list: ListAnswer
  /** A 1 for each item that is done. */
  unpack: Uint8Array
}

export type Answer<K extends Order['kind'] = Order['kind']> = Answers[K]

/** Few large values go from thread to thread much faster than many small ones: chunks lie in a row. */
export interface CompressedBatch {
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly chunks: readonly { readonly codec: number; readonly length: number }[]
}

const { idKey, maxBytes, compression, stopFlag } = workerData as ThreadData
const chunkId = createChunkId(idKey)
const flag = createStopFlag(stopFlag)

parentPort?.on('message', ({ number, order }: { number: number; order: Order | null }) => {
  const answer = order && flag.work(() => obey(order))
  if (answer === undefined || answer === null) return parentPort?.close() // It ends, for nothing keeps it.
  const transfer = typeof answer === 'object' && 'chunks' in answer ? [answer.bytes.buffer] : []
  parentPort?.postMessage({ number, answer }, transfer)
})

function obey(order: Order): Answer {
  if (order.kind === 'read') return readFiles(order, maxBytes, chunkId, flag)
  if (order.kind === 'compress') return compressRead(order, compression, flag)
  if (order.kind === 'list') return listFolder(order, flag)
  return unpack(order, chunkId, flag)
}
