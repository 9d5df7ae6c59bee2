import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { afterEach, expect, test } from 'vitest'

const program = fileURLToPath(new URL('../../dist/children/agent-life.js', import.meta.url))
let child: ChildProcess

afterEach(() => child.kill('SIGKILL'))

/** Runs the program, sends the signals that a line calls for, and tells how it ended. */
async function life(mode: string, signals: Readonly<Record<string, NodeJS.Signals>> = {}) {
  child = spawn(process.execPath, [program, mode], { stdio: ['ignore', 'pipe', 'pipe'] })
  const exited = once(child, 'exit')
  const lines: string[] = []
  let errors = ''
  child.stderr?.on('data', (text) => {
    errors += text
  })
  for await (const line of createInterface({ input: child.stdout! })) {
    lines.push(line)
    const signal = signals[line]
    if (signal) child.kill(signal)
  }
  const [code, signal] = await exited
  return { code, signal, lines, errors }
}

test('SIGTERM drains, closes in reverse, and the process ends by itself with 0', async () => {
  const { code, lines } = await life('calm', { up: 'SIGTERM' })
  expect(lines).toEqual(['up', 'worker drained', 'worker stopped', 'disk stopped', 'done'])
  expect(code).toBe(0)
})

test('a second signal ends it at once', async () => {
  const { code, lines } = await life('hang', { up: 'SIGTERM', 'worker drained': 'SIGINT' })
  expect(lines).toEqual(['up', 'worker drained'])
  expect(code).toBe(130)
})

test('a unit that hangs in its close costs the budget, and 74', async () => {
  const { code, lines, errors } = await life('hang', { up: 'SIGINT' })
  expect(lines).toEqual(['up', 'worker drained', 'worker abandoned', 'disk stopped'])
  expect(errors).toContain('AGENT_STOP_FAILED')
  expect(code).toBe(74)
})

test.each([
  ['start', 69, 'port taken'],
  ['crash', 70, 'worker died'],
])('%s ends with %i and the whole chain of causes', async (mode, exitCode, cause) => {
  const { code, errors, lines } = await life(mode)
  expect([code, lines.at(-1)]).toEqual([exitCode, 'disk stopped'])
  expect(errors).toContain(cause)
})
