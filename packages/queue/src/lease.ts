import type { Timed } from './state/heap.ts'
import { type Message, messageId } from './state/message.ts'
import type { Job, RetryJobOptions } from './types.ts'

/** What a job's methods call. Each checks whether the job still holds its message. */
export interface LeaseHub<T> {
  ack(lease: Lease<T>): Promise<boolean>
  retry(lease: Lease<T>, options: RetryJobOptions): Promise<boolean>
  release(lease: Lease<T>): Promise<boolean>
  extend(lease: Lease<T>, ms: number): Promise<boolean>
  bury(lease: Lease<T>, error: unknown): Promise<boolean>
  setCheckpoint(lease: Lease<T>, data: unknown): Promise<boolean>
}

/** One delivery of a message. A class, not closures: one is made for each of up to a million messages a second. */
export class Lease<T> implements Job<T>, Timed {
  readonly message: Message
  readonly value: T
  readonly attempt: number
  checkpoint?: unknown
  /** When it runs out, in monotonic milliseconds. */
  at: number
  place = -1
  readonly #hub: LeaseHub<T>

  constructor(message: Message, value: T, at: number, hub: LeaseHub<T>) {
    this.message = message
    this.value = value
    this.attempt = message.attempts
    this.at = at
    this.#hub = hub
  }

  get id(): string {
    return messageId(this.message.epoch, this.message)
  }

  get priority(): number {
    return this.message.priority
  }

  get group(): string | undefined {
    return this.message.group
  }

  ack(): Promise<boolean> {
    return this.#hub.ack(this)
  }

  retry(options: RetryJobOptions = {}): Promise<boolean> {
    return this.#hub.retry(this, options)
  }

  release(): Promise<boolean> {
    return this.#hub.release(this)
  }

  extend(ms: number): Promise<boolean> {
    return this.#hub.extend(this, ms)
  }

  bury(error?: unknown): Promise<boolean> {
    return this.#hub.bury(this, error)
  }

  setCheckpoint(data: unknown): Promise<boolean> {
    return this.#hub.setCheckpoint(this, data)
  }
}
