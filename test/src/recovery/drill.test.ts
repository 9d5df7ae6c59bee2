import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, test } from 'vitest'
import { root } from '../support/workspace.ts'

test('the example: a drill beside the services, their wreck, a recovery that is killed and goes on', async () => {
  const program = join(root, 'examples/recovery-drill/dist/main.js')
  // 3 is all back, but on a busy machine too late for its RTO: no test asserts a duration.
  const { stdout } = await promisify(execFile)(process.execPath, [program], { timeout: 90_000 }).catch(
    (error: { code: unknown; stdout: string }) => (error.code === 3 ? error : Promise.reject(error)),
  )
  const lines = stdout.split('\n')
  expect(lines).toContain('Users noticed nothing: {"user":"marie","orders":201}')
  expect(lines).toContain('  auth-service: is started already')
  expect(lines).toContain('Users see: {"user":"marie","orders":200}')
  expect(lines.filter((line) => line.includes('resumed 1 time: recovered'))).toHaveLength(1)
  const [drill, recovery] = lines.flatMap((line, at) =>
    line.startsWith('step ') ? [lines.slice(at + 1, at + 4)] : [],
  )
  expect(drill?.map((line) => line.split(/ {2,}/)[5])).toEqual(['–', '–', '–']) // no traffic
  expect(recovery?.every((line) => line.includes('ready'))).toBe(true)
}, 100_000)
