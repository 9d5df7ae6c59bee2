export { bytesCodec, type Codec, jsonCodec } from './codec.ts'
export {
  type Consumer,
  type ConsumerEvents,
  type ConsumerOptions,
  type ConsumerQueue,
  startConsumer,
} from './consumer.ts'
export { type QueueErrorCode, queueError } from './errors.ts'
export { openQueue } from './open.ts'
export type { RateOptions } from './rate.ts'
export type {
  DeadLetterFilter,
  Durability,
  Enqueued,
  EnqueueOptions,
  Job,
  Lane,
  Limits,
  Loss,
  Overflow,
  PeekedMessage,
  PeekOptions,
  Queue,
  QueueEvents,
  QueueOptions,
  QueueSize,
  Recovery,
  RetryJobOptions,
  TakeOptions,
  Verification,
} from './types.ts'
