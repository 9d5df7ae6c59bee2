import type { Journal, JournalRecord } from '../journal/journal.ts'

/** The test runner's own functions, such as vitest's: this package needs none itself. */
export interface SuiteRunner {
  test(name: string, run: () => Promise<void>): unknown
  expect(value: unknown): { toEqual(expected: unknown): unknown }
}

export interface JournalSuite extends SuiteRunner {
  /** Makes a journal that is empty. Called once for each test. */
  create(): Promise<Journal>
  /** Gives the journal back as another process would open it later. */
  reopen(journal: Journal): Promise<Journal>
}

const records: readonly JournalRecord[] = [
  {
    ...{ type: 'declared', run: 'r', mode: 'recovery', folder: '/état', declaredAt: 1, atMs: 0 },
    plan: { steps: [{ name: 'db', tier: 1, needs: [] }], rtoMs: { 1: 5 }, forecastMs: { 1: 2 } },
  },
  { type: 'starting', step: 'db', attempt: 1, atMs: 2 },
  { type: 'failed', step: 'db', phase: 'start', error: { message: 'line\nbreak, "quote", 𝄞' }, atMs: 3 },
  { type: 'ended', outcome: 'incomplete', atMs: 3 },
]

/** What every journal must do for a recovery to go on from it. */
export function journalCompliance({ test, expect, create, reopen }: JournalSuite): void {
  test('begins empty', async () => {
    expect(await (await create()).read()).toEqual([])
  })

  test('gives records back as they were, here and to whoever opens it next', async () => {
    const journal = await create()
    for (const record of records) await journal.append(record)
    expect(await journal.read()).toEqual(records)
    const next = await reopen(journal)
    expect(await next.read()).toEqual(records)
    await next.append(began(1))
    expect(await next.read()).toEqual([...records, began(1)])
  })

  test('keeps the order of the calls where nobody waits in between', async () => {
    const journal = await create()
    const many = Array.from({ length: 50 }, (_, at) => began(at))
    await Promise.all(many.map((record) => journal.append(record)))
    expect(await journal.read()).toEqual(many)
    expect(await (await reopen(journal)).read()).toEqual(many)
  })

  test('is not changed through what was appended or read', async () => {
    const journal = await create()
    const record = { ...began(1) }
    const appended = journal.append(record)
    record.step = 'changed'
    await appended
    const [read] = (await journal.read()) as (typeof record)[]
    if (read) read.step = 'changed as well'
    expect(await journal.read()).toEqual([began(1)])
  })
}

function began(at: number): Extract<JournalRecord, { readonly type: 'began' }> & { step: string } {
  return { type: 'began', step: `step ${at}`, atMs: at }
}
