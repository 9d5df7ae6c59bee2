import type { CoordinationStore } from '@holdfast/coordination'
import type { Clock } from '@holdfast/core'
import { openSession, startElection, type Term } from '@holdfast/lease'
import type { Ledger } from './ledger.ts'

export interface Candidate {
  readonly id: string
  isLeader(): boolean
  /** Hands over, and stands again behind the others. */
  resign(): Promise<void>
  /** Its connection breaks for good, as in a partition; the process goes on. */
  cutOff(): Promise<void>
  close(): Promise<void>
}

export interface CandidateOptions {
  readonly store: CoordinationStore
  readonly id: string
  readonly ttlMs: number
  readonly clock: Clock
  readonly ledger: Ledger
  readonly say: (line: string) => void
}

/** One of several processes of which one at a time may work. */
export async function startCandidate(options: CandidateOptions): Promise<Candidate> {
  const { store, id, ttlMs, clock, ledger, say } = options
  const session = await openSession(store, { ttlMs, clock })
  const election = startElection(session, 'ledger', work, { value: id })
  return {
    id,
    isLeader: election.isLeader,
    resign: election.resign,
    cutOff: () => store.close(),
    async close() {
      await election.close()
      await session.close()
      await store.close()
    },
  }

  /** Counts in the store, under guard, and writes to the ledger, with the token, until the term ends. */
  async function work({ token, signal, guard }: Term): Promise<void> {
    say(`${id} leads, with token ${token}`)
    while (!signal.aborted) {
      const put = { kind: 'put', key: 'last-leader', value: Buffer.from(id) } as const
      const isStored = await store.transact(guard({ then: [put] }), { signal }).then(
        ({ succeeded }) => succeeded,
        // Whether it was stored is not known; the term's signal tells whether to go on.
        () => false,
      )
      if (isStored) ledger.write(token, `${id} at work`)
      await clock.sleep(100, signal)
    }
    say(`${id} has stopped`)
  }
}
