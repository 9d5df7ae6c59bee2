import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openJournal, type Report } from '@holdfast/recovery'
import { expect, test } from 'vitest'
import { root } from '../support/workspace.ts'
import { lines, recoverServices } from './services.ts'

const child = join(root, 'test/dist/children/recovery-run.js')
const names = ['critical-db', 'mail', 'web']
/** `declared`, six for each step, `ended`. */
const records = upTo(2 + 6 * names.length)
/** `started` and `ready` of each step: before each of them, what it tells has been done. */
const effects = upTo(2 * names.length)
const deep = process.env['HOLDFAST_DEEP']

test.each([
  { when: 'after', deaths: records },
  { when: 'effect', deaths: effects },
  ...(deep ? [{ when: 'before', deaths: records }] : []),
])(
  'killed -9 at every record of its journal ($when), it goes on and starts nothing twice',
  async ({ when, deaths }) => {
    await inParallel(deaths, (nth) =>
      inFolder(async (folder) => {
        expect(await recoverIn(folder, when, nth)).toBe('SIGKILL')
        await checkResumed(folder, `killed ${when} record ${nth}`)
      }),
    )
  },
  60_000,
)

test.skipIf(!deep)('killed twice, at every pair of records', async () => {
  const pairs = records.flatMap((first) => records.map((second) => [first, second] as const))
  await inParallel(pairs, ([first, second]) =>
    inFolder(async (folder) => {
      await recoverIn(folder, 'after', first)
      await recoverIn(folder, 'before', second)
      await checkResumed(folder, `killed after record ${first}, then before ${second}`)
    }),
  )
})

test('a process that lives keeps others out of its journal', () =>
  inFolder(async (folder) => {
    await using journal = await openJournal(join(folder, 'journal'))
    expect(await recoverIn(folder, 'after', 1)).toBe(1)
    expect(await journal.read()).toEqual([])
    expect(lines(folder, 'started')).toEqual([])
  }))

/** Goes on in this process, where the run is not over, and looks at what was done by all of them. */
async function checkResumed(folder: string, how: string): Promise<void> {
  await using journal = await openJournal(join(folder, 'journal'))
  const report = await recoverServices(folder, journal).catch((error: { code?: string }) => error.code)
  if (report !== 'JOURNAL_ENDED') expect((report as Report).outcome, how).toBe('recovered')
  const started = lines(folder, 'started').map((key) => key.split('.').at(-1))
  expect(started.toSorted(), how).toEqual(names)
  const opened = lines(folder, 'opened')
  for (const name of names) {
    const times = opened.filter((other) => other === name).length
    expect(times, `${how}: ${name}`).toBeGreaterThanOrEqual(1)
  }
  expect(opened.length, how).toBeLessThanOrEqual(names.length + 4)
}

/** Its exit code, or the signal that ended it. */
async function recoverIn(folder: string, when: string, nth: number): Promise<unknown> {
  const process_ = spawn(process.execPath, [child, folder, when, String(nth)], { stdio: 'ignore' })
  const [code, signal] = await once(process_, 'exit')
  return code ?? signal
}

async function inFolder(use: (folder: string) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-recovery-'))
  try {
    await use(folder)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

async function inParallel<T>(items: readonly T[], use: (item: T) => Promise<void>): Promise<void> {
  const left = [...items]
  const work = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await use(item)
  }
  await Promise.all([work(), work(), work()])
}

function upTo(last: number): number[] {
  return Array.from({ length: last }, (_, at) => at + 1)
}
