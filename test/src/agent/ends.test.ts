import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createSeededRandom } from '@holdfast/core/testing'
import { openQueue } from '@holdfast/queue'
import { folderStore, openRepository } from '@holdfast/snapshot'
import { expect, onTestFinished, test } from 'vitest'
import { expectKept, promisesIn } from '../queue/promises.ts'
import { guard } from '../support/guard.ts'
import { root } from '../support/workspace.ts'
import { type Way, ways } from './ways.ts'

const program = join(root, 'test/dist/children/agent-ends.js')
const rounds = process.env['HOLDFAST_DEEP'] ? 40 : 1
/** Then it hangs, and is killed. */
const timeoutMs = 20_000

interface End {
  readonly code: number | null | undefined
  readonly signal: NodeJS.Signals | undefined
  readonly errors: string
}

function run(parameters: readonly string[]): Promise<End> {
  return new Promise((resolve) => {
    const options = { timeout: timeoutMs, killSignal: 'SIGKILL' as const }
    const child = execFile(process.execPath, [program, ...parameters], options, (_error, _output, errors) =>
      resolve({ code: child.exitCode, signal: child.signalCode ?? undefined, errors }),
    )
    guard(child)
  })
}

test('however and whenever a process ends, it ends as it was told, and loses nothing', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-ends-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'source'))
  for (let file = 0; file < 300; file++)
    writeFileSync(join(folder, 'source', `${file}`), `small and compressible ${file} `.repeat(20))
  const seed = Math.floor(Math.random() * 2 ** 31)
  const random = createSeededRandom(seed)
  for (let round = 0; round < rounds; round++)
    for (const [number, way] of (Object.keys(ways) as Way[]).entries()) {
      const afterMs = random() * 120
      const start = (round * 100 + number) * 1_000_000
      const { code, signal, errors } = await run([folder, way, String(afterMs), String(start)])
      const where = `seed ${seed}, round ${round}, ${way} after ${afterMs} ms: ${errors}`
      expect({ code, signal }, where).toEqual({ code: ways[way], signal: undefined })
      if (ways[way] === 1) expect(errors, where).toContain('as planned')
      else expect(errors, where).toBe('')
    }
  await using queue = await openQueue<number>(join(folder, 'queue'), { ballastBytes: 0 })
  expect(queue.recovery, `seed ${seed}`).toMatchObject({ repaired: false, quarantined: [] })
  const promises = promisesIn(join(folder, 'promises'))
  expect(promises.acked.size).toBeGreaterThan(0)
  await expectKept(queue, promises, `seed ${seed}`)
  await using repository = await openRepository(folderStore(join(folder, 'repository')))
  for (const snapshot of await repository.list()) await repository.verify(snapshot, { level: 'data' })
}, 600_000)
