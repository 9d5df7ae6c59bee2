import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileSource, memorySource, openConfig } from '@holdfast/config'
import { createSeededRandom } from '@holdfast/core/testing'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { root } from '../support/workspace.ts'

const kills = process.env['HOLDFAST_DEEP'] ? 500 : 12
const schema = z.object({ limit: z.int(), padding: z.string() })

function temporaryFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-config-kill-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

/** Runs an agent until it dies, handing over each line that it prints. */
async function runAgent(
  folder: string,
  mode: 'count' | 'suicide',
  onLine: (line: string, kill: () => void) => void,
): Promise<void> {
  const agent = spawn(process.execPath, [join(root, 'test/dist/children/config-agent.js'), folder, mode], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(agent, 'exit')
  onTestFinished(() => {
    agent.kill('SIGKILL')
  })
  createInterface({ input: agent.stdout }).on('line', (line) => onLine(line, () => agent.kill('SIGKILL')))
  const [, signal] = await exited
  expect(signal).toBe('SIGKILL')
}

async function bootOnLastKnownGood(folder: string): Promise<number> {
  const out = memorySource({})
  out.fail(new Error('down'))
  const config = await openConfig({
    schema,
    sources: [out],
    lastKnownGood: join(folder, 'state'),
    bootTimeoutMs: 1,
  })
  expect(config.origin).toBe('lkg')
  expect(config.status().lastKnownGood.error).toBeUndefined()
  await config.close()
  return config.value.limit
}

test('killed at any moment of writing it, the last-known-good is whole and no older than what was reported', async () => {
  const seed = Number(process.env['HOLDFAST_SEED'] ?? Date.now() % 1_000_000)
  const random = createSeededRandom(seed)
  const folder = temporaryFolder()
  for (let kill = 0; kill < kills; kill += 1) {
    let last = 0
    let lines = 0
    const afterLines = 2 + Math.floor(random() * 20)
    const delayMs = random() * 3
    await runAgent(folder, 'count', (line, end) => {
      last = (JSON.parse(line) as { limit: number }).limit
      lines += 1
      if (lines === afterLines) setTimeout(end, delayMs)
    })
    const limit = await bootOnLastKnownGood(folder)
    expect([last, last + 1], `seed ${seed}, kill ${kill}`).toContain(limit)
  }
}, 600_000)

test('an agent that dies of its config on probation boots on the last-known-good and says rolled-back', async () => {
  const folder = temporaryFolder()
  const path = join(folder, 'agent.json')
  const write = (limit: number) => writeFileSync(path, JSON.stringify({ limit, padding: '' }))
  write(1)
  const lines: string[] = []
  await runAgent(folder, 'suicide', (line) => {
    lines.push(line)
    if (line === 'proven') write(2) // of which it dies at once
  })
  const again: string[] = []
  await runAgent(folder, 'suicide', (line, end) => {
    again.push(line)
    end()
  })
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ limit: 1, origin: 'live', attempt: 'applied' })
  expect(JSON.parse(again[0] ?? '')).toEqual({ limit: 1, origin: 'lkg', attempt: 'rolled-back' })

  const config = await openConfig({
    schema,
    sources: [fileSource(path)],
    lastKnownGood: join(folder, 'state'),
  })
  expect(config.status().attempt.error).toMatchObject({ code: 'CONFIG_ROLLED_BACK' })
  write(3)
  await new Promise<void>((resolve) => config.on('applied', () => resolve()))
  expect(config.value.limit).toBe(3)
  await config.close()
}, 60_000)

test('the files of the last-known-good are for their owner alone, and readable by every later release', async () => {
  const folder = temporaryFolder()
  const document = { limit: 7, padding: '' }
  const config = await openConfig({
    schema,
    sources: [memorySource(document)],
    lastKnownGood: join(folder, 'state'),
  })
  await config.close()
  const { statSync } = await import('node:fs')
  const path = join(folder, 'state', 'last-known-good.1')
  expect(statSync(path).mode & 0o777).toBe(0o600)
  expect(readFileSync(path, 'utf8')).toMatch(/^[0-9a-f]{64}\n\{"format":1,/)
  const golden = join(root, 'packages/config/golden/last-known-good.format-1')
  writeFileSync(path, readFileSync(golden))
  expect(await bootOnLastKnownGood(folder)).toBe(42)
})
