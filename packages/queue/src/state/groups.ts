import type { Message } from './message.ts'

/** Lets one message of each group out at a time, in order. */
export interface Groups {
  /** Whether it may go out. If not, it waits here until those before it are finished. */
  admit(message: Message): boolean
  /** It is finished. The next of its group, which may go out now. */
  release(message: Message): Message | undefined
  /** Takes out the oldest of this priority that waits for its group. */
  takeOldest(priority: number): Message | undefined
}

interface Group {
  head: Message
  behind: Message[]
}

export function createGroups(): Groups {
  const groups = new Map<string, Group>()
  return {
    admit,
    release,
    takeOldest,
  }

  function admit(message: Message): boolean {
    if (message.group === undefined) return true
    const group = groups.get(message.group)
    if (!group) groups.set(message.group, { head: message, behind: [] })
    if (!group || group.head === message) return true
    group.behind.push(message)
    return false
  }

  function takeOldest(priority: number): Message | undefined {
    let oldest: { behind: Message[]; index: number; seq: number } | undefined
    for (const { behind } of groups.values()) {
      const index = behind.findIndex((message) => message.priority === priority)
      const seq = behind[index]?.seq
      if (seq !== undefined && !(oldest && oldest.seq < seq)) oldest = { behind, index, seq }
    }
    return oldest?.behind.splice(oldest.index, 1)[0]
  }

  function release(message: Message): Message | undefined {
    if (message.group === undefined) return undefined
    const group = groups.get(message.group)
    if (group?.head !== message) return undefined
    const next = group.behind.shift()
    if (next) {
      group.head = next
    } else groups.delete(message.group)
    return next
  }
}
