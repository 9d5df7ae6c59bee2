import type { CoordinationStore } from '@holdfast/coordination'

/** What the agent works with, and all that can go wrong with it. */
export interface Broker {
  dial(address: string): Promise<Line>
  moveTo(address: string): void
  /** From now on it knows only who registers after this. */
  forget(): Promise<void>
  /** Lines that are open now never answer again. */
  jam(): void
  /** Nothing works, whatever is tried from within the agent's process. */
  ruin(): void
  repair(): void
}

/** A connection to the broker. */
export interface Line {
  /** Rejects when the broker does not serve this registration on this line. */
  ping(registrationKey: string): Promise<void>
  close(): Promise<void>
}

/** A broker in this process, which knows its clients by their registrations in the store. */
export function createBroker(store: CoordinationStore, address: string): Broker {
  let home = address
  let knownSince = 0
  let ruined = false
  const jammed = new WeakSet<Line>()
  const lines = new Set<Line>()
  return {
    dial,
    moveTo(next) {
      home = next
    },
    async forget() {
      knownSince = (await store.range({ prefix: '' })).revision
    },
    jam() {
      for (const line of lines) jammed.add(line)
    },
    ruin() {
      ruined = true
    },
    repair() {
      ruined = false
    },
  }

  async function dial(at: string): Promise<Line> {
    const line: Line = {
      async ping(key) {
        if (ruined) throw new Error('no buffer space left on this host')
        if (jammed.has(line)) await new Promise(() => undefined)
        if (at !== home) throw new Error(`nobody is at ${at} any more`)
        const [entry] = (await store.range({ key })).entries
        if (!entry || entry.modRevision <= knownSince) throw new Error('the broker asks who this is')
      },
      async close() {
        lines.delete(line)
      },
    }
    lines.add(line)
    return line
  }
}
