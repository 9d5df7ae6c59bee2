/** Ways in which a process ends, and the exit code that each asks for. */
export const ways = {
  /** `process.exit` amid everything. */
  exit: 7,
  throw: 1,
  reject: 1,
  /** Of the queue alone, with a consumer at work; then an exit. */
  drain: 18,
  /** An exit amid the closing of queue and repository. */
  close: 19,
  /** An exit amid the abort of a backup. */
  abort: 20,
  /** SIGTERM. */
  stop: 0,
  /** SIGTERM, and an exit amid the stop. */
  amidStop: 21,
} as const

export type Way = keyof typeof ways
