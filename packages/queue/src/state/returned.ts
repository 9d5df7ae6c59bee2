import { delayedLaneOf } from '../format/keys.ts'
import type { Message } from './message.ts'

/** Messages of one priority that were given back before their delivery counted: next to go out, in their old order. */
export interface Returned {
  add(message: Message): void
  shift(): Message | undefined
}

export function createReturned(): Returned {
  const messages: Message[] = []
  return { add, shift: () => messages.shift() }

  /** Given back in order, as they mostly are, each goes to the end; else to its place, found by halving. */
  function add(message: Message): void {
    let low = 0
    for (let high = messages.length; low < high; ) {
      const middle = (low + high) >> 1
      if (compare(messages[middle]!, message) < 0) low = middle + 1
      else high = middle
    }
    messages.splice(low, 0, message)
  }
}

/** As they went out first: the delayed ones, by their time, before the others, by their number. */
function compare(a: Message, b: Message): number {
  return b.lane - a.lane || dueOf(a) - dueOf(b) || a.seq - b.seq
}

function dueOf({ lane, priority, home }: Message): number {
  return lane === delayedLaneOf(priority) && home.kind === 'parked' ? home.place.time : 0
}
