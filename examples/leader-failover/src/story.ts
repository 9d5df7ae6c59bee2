import type { Clock } from '@holdfast/core'
import { readLeader } from '@holdfast/lease'
import { type Candidate, startCandidate } from './candidate.ts'
import type { Connect } from './connect.ts'
import { createLedger, type Ledger } from './ledger.ts'

export interface StoryOptions {
  readonly connect: Connect
  readonly clock: Clock
  readonly ttlMs: number
  readonly say: (line: string) => void
}

export interface Outcome {
  readonly ledger: Ledger
  /** Who led, in order. */
  readonly leaders: readonly string[]
}

/** Three candidates: a first leader is cut off, the second hands over, and what the first still has to say is refused. */
export async function tellStory({ connect, clock, ttlMs, say }: StoryOptions): Promise<Outcome> {
  const ledger = createLedger()
  const leaders: string[] = []
  const candidates: Candidate[] = []
  for (const id of ['one', 'two', 'three'])
    candidates.push(await startCandidate({ store: await connect(), id, ttlMs, clock, ledger, say }))

  const first = await nextLeader()
  const staleToken = await tokenNow()
  say(`${first.id} is cut off from the store`)
  await first.cutOff()
  const second = await nextLeader()
  await clock.sleep(300)
  const isWritten = ledger.write(staleToken, 'a late word of the first leader')
  say(`a late write with token ${staleToken} was ${isWritten ? 'taken' : 'refused by the ledger'}`)
  say(`${second.id} hands over`)
  await second.resign()
  await nextLeader()
  await clock.sleep(300)
  for (const candidate of candidates) await candidate.close()
  return { ledger, leaders }

  async function nextLeader(): Promise<Candidate> {
    for (;;) {
      const leader = candidates.find((candidate) => candidate.isLeader())
      if (leader && leader.id !== leaders.at(-1)) {
        leaders.push(leader.id)
        return leader
      }
      await clock.sleep(20)
    }
  }

  async function tokenNow(): Promise<number> {
    await using store = await connect()
    return (await readLeader(store, 'ledger'))?.token ?? 0
  }
}
