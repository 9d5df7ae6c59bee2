import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { takeLock } from './lock.ts'

let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-lock-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const dead = JSON.stringify({ host: hostname(), pid: 4_194_305, startedTicks: '1' })

test('of many who find the lock of a dead one at once, one gets it', async () => {
  for (let race = 0; race < 300; race += 1) {
    const journal = join(folder, `journal-${race}`)
    await writeFile(`${journal}.lock`, `${dead}\n`)
    const contenders = Array.from({ length: 6 }, () => takeLock(journal).catch((error) => error.code))
    const held = (await Promise.all(contenders)).filter((outcome) => outcome !== 'JOURNAL_LOCKED')
    expect(held.length).toBe(1)
    for (const release of held) await release()
    await (await takeLock(journal))()
    expect(await readdir(folder)).toEqual([])
  }
})

test('a journal is locked by whichever path it is named', async () => {
  const release = await takeLock(join(folder, 'journal'))
  await expect(takeLock(`${folder}/./journal`)).rejects.toMatchObject({ code: 'JOURNAL_LOCKED' })
  await release()
  await (await takeLock(`${folder}/./journal`))()
  expect(await readdir(folder)).toEqual([])
})
