import type { CoordinationStore } from '../store.ts'
import type { Case } from './cases/case.ts'
import { leaseCases } from './cases/lease.ts'
import { lifecycleCases } from './cases/lifecycle.ts'
import { rangeCases } from './cases/range.ts'
import { transactionCases } from './cases/transaction.ts'
import { watchCases } from './cases/watch.ts'

/** The store under test, fresh for each case. */
export interface ComplianceSubject {
  /** A running store. Anything may stand in it outside `prefix`. */
  readonly store: CoordinationStore
  /** Another client on the same data. */
  connect(): Promise<CoordinationStore>
  /** Lets time pass for the leases: moves a fake clock, or sleeps. */
  advance(ms: number): Promise<void>
  /** All keys of the case are put below it; nothing stands there yet. @default '' */
  readonly prefix?: string
  /** Forgets history before a revision. Needed where `supports.compaction` is not false. */
  compact?(revision: number): Promise<void>
  /** Called at the end of each case, which may have closed the store before. */
  tearDown?(): Promise<void>
}

export interface ComplianceSupport {
  /** Whether history can be compacted by the test. @default true */
  readonly compaction?: boolean
}

/** Any test runner with vitest's shape. */
export interface ComplianceOptions {
  readonly test: (name: string, run: () => Promise<void>) => unknown
  readonly expect: ComplianceExpect
  readonly create: () => Promise<ComplianceSubject>
  readonly supports?: ComplianceSupport
}

export type ComplianceExpect = (
  actual: unknown,
  message?: string,
) => { toBe(expected: unknown): void; toEqual(expected: unknown): void }

/**
 * Registers the tests that every `CoordinationStore` must pass.
 *
 * They assert codes, never messages, and compare revisions with one another, never with
 * numbers, so that they can run beside others on a shared server. Real time that they take
 * where `advance` sleeps: about 12 s in all, most of it in the cases named `lease: expires…`.
 */
export function coordinationStoreCompliance({
  test,
  expect,
  create,
  supports = {},
}: ComplianceOptions): void {
  const cases: Case[] = [...rangeCases, ...transactionCases, ...watchCases, ...leaseCases, ...lifecycleCases]
  for (const { name, needs, run } of cases) {
    if (needs && supports[needs] === false) continue
    test(name, async () => {
      const subject = await create()
      try {
        await run({ ...subject, at: (key = '') => `${subject.prefix ?? ''}${key}`, expect })
      } finally {
        await subject.tearDown?.()
      }
    })
  }
}
