import type { Recovery } from '../types.ts'
import type { Database } from './database.ts'

/** Where a database lives: a folder, or memory. Opened once, and again after each failure to write. */
export interface Medium {
  open(): Promise<Database>
  /** Makes room where that was what failed, then opens again. May be called several times. */
  reopen(error: Error): Promise<Database>
  /** Whether room was given up after a full disk and not taken back: what is held can be drained, nothing new is taken. */
  isLowOnSpace(): boolean
  /** Takes room back, if there is some. */
  regainSpace(): Promise<void>
  /** What `open` found and did. */
  readonly recovery: Recovery
  /** After the database is closed. `healthy` tells whether it closed in order. */
  close(healthy: boolean): Promise<void>
}
