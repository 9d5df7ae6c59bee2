import type { Backoff, Clock, On, Random, Running } from '@holdfast/core'
import type { Headers, Rate, TlsFiles } from '../types.ts'

/** A large body that can be read from anywhere. */
export interface UploadBody {
  /** In bytes. */
  readonly size: number
  /** Tells this content from any other that may stand in its place later, such as a file's time of change. */
  readonly version: string
  /** The bytes from `offset` on. Called again after each failure. */
  read(offset: number): AsyncIterable<Uint8Array>
}

/** Where an upload stands, as small JSON: enough to go on in another process. The offset is the server's to tell. */
export interface UploadCheckpoint {
  readonly location: string
  readonly size: number
  readonly version: string
}

export interface UploadOptions {
  /** Where uploads are created, by POST. What it answers with as Location must be of the same origin. */
  url: string | URL
  body: UploadBody
  /** What an earlier run kept. Anything that does not fit the body is ignored, and a new upload created. */
  checkpoint?: unknown
  /** Keeps a checkpoint, such as a job's `setCheckpoint`. Called after each creation, before the first byte is sent. */
  saveCheckpoint?: (checkpoint: UploadCheckpoint) => Promise<unknown>
  /** Sent at creation as Upload-Metadata; keys without spaces or commas. */
  metadata?: Readonly<Record<string, string>>
  /** Sent with every request; a function is asked before each. */
  headers?: Headers | (() => Headers | Promise<Headers>)
  /** Bytes in one request at most, ≥ 1; fewer where requests are cut or too large for the server. @default 8 MiB */
  chunkBytes?: number
  /** At most `max` bytes per `perMs` milliseconds. @default unlimited */
  rate?: Rate
  /** Failures in a row without progress before it gives up, ≥ 1. @default Infinity */
  attempts?: number
  /** Milliseconds without a byte going out or an answer coming in, > 0. @default 30_000 */
  stallTimeoutMs?: number
  /** The pause after a failure. A longer Retry-After wins, up to 5 minutes. @default { minMs: 500, maxMs: 60_000, factor: 2, jitter: 'full' } */
  backoff?: Partial<Backoff>
  tls?: TlsFiles
  /** @default systemClock */
  clock?: Clock
  /** For the backoff's jitter. @default Math.random */
  random?: Random
}

export interface UploadEvents {
  /** The server has a place for it. */
  created(event: { location: string }): void
  /** The server told how much it has: sending goes on from there. */
  resumed(event: { offset: number }): void
  progressed(event: { offset: number; size: number }): void
  retried(event: { attempt: number; pauseMs: number; error: unknown }): void
  /** The server had lost the upload; a new one has begun. */
  expired(event: { location: string }): void
  completed(event: { size: number; durationMs: number }): void
  /** The TLS files changed and are in use. */
  tlsReloaded(): void
  /** The TLS files changed, but do not work; those from before stay in use. */
  tlsRejected(event: { error: unknown }): void
}

/** One upload at work. */
export interface Upload extends Running {
  readonly on: On<UploadEvents>
  /** Resolves when the server has all of it, or after `close()`; rejects when it was refused or the attempts are used up. */
  readonly exited: Promise<void>
  /** Stops sending; what the server has stays there, for the checkpoint. */
  close(): Promise<void>
}
