import type { Clock } from '@holdfast/core'
import type { Read } from './currency.ts'

/** Numbers a view's reads, in the order in which they are sent. */
export interface Reads {
  readonly sent: number
  begin(): Read
}

export function createReads(clock: Clock): Reads {
  let sent = 0
  return {
    get sent() {
      return sent
    },
    begin() {
      sent += 1
      return { number: sent, sentMs: clock.now(), sentUptimeMs: clock.uptime() }
    },
  }
}
