import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { directorySource, openConfig } from '@holdfast/config'
import { systemClock } from '@holdfast/core'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { root } from '../support/workspace.ts'

const versions = process.env['HOLDFAST_DEEP'] ? 10_000 : 600
/** Beside other work, a version can take 20 ms to write. */
const deadlineMs = process.env['HOLDFAST_DEEP'] ? 600_000 : 120_000

/** A folder into which a child swaps versions every 2 ms, as kubelet swaps a ConfigMap's. */
async function startSwapping(count: number) {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-configmap-'))
  const writer = spawn(
    process.execPath,
    [join(root, 'test/dist/children/config-kubelet.js'), folder, String(count), '2'],
    { stdio: ['ignore', 'inherit', 'inherit'] },
  )
  let code: number | undefined
  const exited = once(writer, 'exit').then(([status]) => {
    code = status as number
  })
  onTestFinished(async () => {
    writer.kill('SIGKILL')
    await exited
    rmSync(folder, { recursive: true, force: true })
  })
  while (!readdirSync(folder).includes('key-11')) await turn()
  return { folder, exited, ended: () => code }
}

function versionsIn(document: Record<string, unknown>): ReadonlySet<unknown> {
  return new Set(Object.values(document))
}

test('reading through the symlinks tears: the imitation is real', async () => {
  const { folder } = await startSwapping(1_000_000)
  let torn = 0
  while (torn === 0) {
    const keys = readdirSync(folder).filter((name) => !name.startsWith('..'))
    const texts = keys.map((key) => {
      try {
        return readFileSync(join(folder, key), 'utf8')
      } catch {
        return key === 'odd' ? undefined : 'missing'
      }
    })
    if (new Set(texts.filter((text) => text !== undefined)).size !== 1) torn += 1
    await turn()
  }
  expect(torn).toBe(1)
}, 60_000)

test(
  'a ConfigMap that is swapped every 2 ms is never read torn, short or missing',
  async () => {
    const { folder, ended } = await startSwapping(versions)
    const source = directorySource(folder).start({
      wake: () => undefined,
      clock: systemClock,
      random: Math.random,
    })
    const seen = new Set<unknown>()
    let reads = 0
    while (ended() === undefined) {
      // On a machine too busy to read twelve files between two swaps it says so, which is no torn read.
      const loaded = await source.load({ fresh: true }).catch((error: Error) => {
        expect(error.message).toContain('was changing during each of')
      })
      if (!loaded) continue
      if (loaded.kind !== 'document') throw new Error(`it read ${loaded.kind}`)
      const document = loaded.document as Record<string, string>
      const found = versionsIn(document)
      expect(found.size).toBe(1)
      const [version] = found
      expect(Object.keys(document)).toHaveLength(Number(version) % 2 === 1 ? 13 : 12)
      seen.add(version)
      reads += 1
    }
    await source.close()
    expect(ended()).toBe(0)
    expect(reads).toBeGreaterThan(50)
    expect(seen.size).toBeGreaterThan(20)
  },
  deadlineMs,
)

test('a config on it is whole at every swap, and arrives at the last version', async () => {
  const { folder, exited } = await startSwapping(Math.min(versions, 300))
  const config = await openConfig({
    schema: z.record(z.string(), z.string()),
    sources: [directorySource(folder)],
    settleMs: [0, 0],
  })
  let swaps = 0
  config.on('applied', () => {
    swaps += 1
    expect(versionsIn(config.value).size).toBe(1)
  })
  await exited
  while (!versionsIn(config.value).has(String(Math.min(versions, 300)))) await systemClock.sleep(5)
  expect(swaps).toBeGreaterThan(3)
  await config.close()
}, 60_000)
