import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { openQueue } from '@holdfast/queue'
import { expect, onTestFinished, test } from 'vitest'
import { root } from '../support/workspace.ts'

const owner = join(root, 'test/dist/children/queue-owner.js')

test('one process owns a folder; who tries it does not harm that, and gets a code', async () => {
  const folder = newFolder()
  const first = await answerOf(folder)
  expect(first.answer).toBe('open')
  await expect(openQueue(folder)).rejects.toMatchObject({ code: 'QUEUE_LOCKED' })
  expect((await answerOf(folder)).answer).toBe('QUEUE_LOCKED')
  first.kill()
  await first.exit
  await (await openQueue(folder)).close()
})

test('a second open in one process is refused by real path, and leaves the lock in place', async () => {
  const folder = newFolder()
  symlinkSync(folder, `${folder}-alias`)
  onTestFinished(() => rmSync(`${folder}-alias`))
  const queue = await openQueue(folder)
  await expect(openQueue(folder)).rejects.toMatchObject({ code: 'QUEUE_LOCKED' })
  await expect(openQueue(`${folder}-alias`)).rejects.toMatchObject({ code: 'QUEUE_LOCKED' })
  expect((await answerOf(folder)).answer).toBe('QUEUE_LOCKED')
  const other = await openQueue(`${folder}-alias`, { name: 'other' })
  await queue.close()
  await other.close()
  const [again, late] = await Promise.allSettled([openQueue(folder), openQueue(folder)])
  expect([again.status, late.status].sort()).toEqual(['fulfilled', 'rejected'])
  if (again.status === 'fulfilled') await again.value.close()
  if (late.status === 'fulfilled') await late.value.close()
})

test('a marker that looks like repeated aborts does not let a second process set anything aside', async () => {
  const folder = newFolder()
  const first = await answerOf(folder)
  writeFileSync(join(folder, 'holdfast.opening'), 'opening 9')
  expect((await answerOf(folder)).answer).toBe('QUEUE_LOCKED')
  expect(readFileSync(join(folder, 'holdfast.opening'), 'utf8')).toBe('opening 9')
  first.kill()
  await first.exit
})

test('a folder that is missing, or is a file, or may not be written, has its code', async () => {
  const folder = newFolder()
  const missing = join(folder, 'none')
  await expect(openQueue(missing, { createIfMissing: false })).rejects.toMatchObject({
    code: 'QUEUE_MISSING',
  })
  await expect(openQueue(folder, { createIfMissing: false })).rejects.toMatchObject({ code: 'QUEUE_MISSING' })
  writeFileSync(join(folder, 'file'), '')
  await expect(openQueue(join(folder, 'file'))).rejects.toMatchObject({ code: 'QUEUE_UNREADABLE' })
  if (process.getuid?.() === 0) return
  chmodSync(folder, 0o500)
  await expect(openQueue(folder)).rejects.toMatchObject({ code: 'QUEUE_UNREADABLE' })
})

function newFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-owner-'))
  onTestFinished(() => rmSync(folder, { recursive: true, force: true }))
  return folder
}

async function answerOf(folder: string): Promise<{ answer: string; kill(): void; exit: Promise<unknown> }> {
  const child = spawn(process.execPath, [owner, folder], { stdio: ['ignore', 'pipe', 'inherit'] })
  onTestFinished(() => void child.kill('SIGKILL'))
  const [data] = (await once(child.stdout, 'data')) as [Buffer]
  return { answer: data.toString().trim(), kill: () => child.kill('SIGKILL'), exit: once(child, 'exit') }
}
