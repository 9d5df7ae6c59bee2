import type { Message } from './message.ts'

/** Lets one message of each group out at a time, in order. */
export interface Groups {
  /** Whether it may go out. If not, it waits here until those before it are finished. */
  admit(message: Message): boolean
  /** It is finished. The next of its group, which may go out now. */
  release(message: Message): Message | undefined
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
  }

  function admit(message: Message): boolean {
    if (message.group === undefined) return true
    const group = groups.get(message.group)
    if (!group) groups.set(message.group, { head: message, behind: [] })
    if (!group || group.head === message) return true
    group.behind.push(message)
    return false
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
