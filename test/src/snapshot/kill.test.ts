import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { createSeededRandom } from '@holdfast/core/testing'
import { directory, folderStore, openRepository } from '@holdfast/snapshot'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { root } from '../support/workspace.ts'

// Real processes, a real disk, SIGKILL.
const kills = process.env['HOLDFAST_DEEP'] === '1' ? 200 : 6
let folder: string
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-kill-'))
})
afterEach(() => rm(folder, { recursive: true, force: true }))

test('SIGKILL in the middle of backups, forgetting and collecting: all that is listed is whole', async () => {
  const seed = Number(process.env['HOLDFAST_SEED'] ?? 1)
  console.log(`seed ${seed}`)
  const random = createSeededRandom(seed)
  const [repositoryPath, source] = [join(folder, 'repository'), join(folder, 'source')]
  await mkdir(source)
  await writeFile(join(source, 'base'), await readNode())
  const seen = new Set<string>()
  for (let kill = 0; kill < kills; kill += 1) {
    await writeFile(
      join(source, `file-${kill}`),
      Buffer.from(Array.from({ length: 40_000 }, () => random() * 256)),
    )
    for (const digest of await killAfter(repositoryPath, source, random() * 250)) seen.add(digest)
    await using repository = await openRepository(folderStore(repositoryPath))
    const listed = await repository.list()
    for (const snapshot of listed) await repository.verify(snapshot, { level: 'data' })
    const newest = [...seen].at(-1)
    if (newest !== undefined) expect(listed.map(({ digest }) => digest)).toContain(newest)
  }
  await using repository = await openRepository(folderStore(repositoryPath))
  const last = await repository.backup(directory(source), { name: 'n' })
  await repository.restore(last, join(folder, 'restored'))
  expect((await readdir(join(folder, 'restored'))).sort()).toEqual((await readdir(source)).sort())
}, 600_000)

/** Starts the child, kills it so long after it opened, and returns the snapshots that it had acknowledged. */
async function killAfter(repository: string, source: string, ms: number): Promise<string[]> {
  const program = join(root, 'test/dist/children/snapshot-backup.js')
  const child = spawn(process.execPath, [program, repository, source], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = once(child, 'exit')
  const lines: string[] = []
  const reader = createInterface({ input: child.stdout })
  const opened = new Promise<void>((resolve) => {
    reader.on('line', (line) => {
      lines.push(line)
      resolve()
    })
  })
  const closed = once(reader, 'close')
  await Promise.race([opened, ended])
  await pause(ms)
  child.kill('SIGKILL')
  await Promise.all([ended, closed])
  return lines.filter((line) => line.startsWith('sha256:'))
}

test('a restore that is killed leaves the target as it was', async () => {
  const store = folderStore(join(folder, 'repository'))
  await using repository = await openRepository(store)
  await mkdir(join(folder, 'source'))
  for (let file = 0; file < 50; file += 1)
    await writeFile(join(folder, 'source', `f${file}`), 'x'.repeat(10_000))
  const snapshot = await repository.backup(directory(join(folder, 'source')), { name: 'n' })
  const target = join(folder, 'target')
  await mkdir(target)
  await writeFile(join(target, 'mine'), 'precious')
  const program = `import { folderStore, openRepository } from '@holdfast/snapshot'
    const repository = await openRepository(folderStore(${JSON.stringify(join(folder, 'repository'))}))
    await repository.restore(${JSON.stringify(snapshot.digest)}, ${JSON.stringify(target)},
      { overwrite: 'replace', onProgress: () => process.kill(process.pid, 'SIGKILL') })`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    cwd: join(root, 'test'),
    stdio: 'inherit',
  })
  const [, signal] = (await once(child, 'exit')) as [number | null, string | null]
  expect(signal).toBe('SIGKILL')
  expect(await readFile(join(target, 'mine'), 'utf8')).toBe('precious')
  const left = async () => (await readdir(folder)).filter((name) => name.startsWith('target.restore-'))
  expect(await left()).toHaveLength(1)
  await repository.restore(snapshot, target, { overwrite: 'replace' })
  expect(await readdir(target)).toHaveLength(50)
  expect(await left()).toEqual([])
})

async function readNode(): Promise<Buffer> {
  return (await readFile(process.execPath)).subarray(0, 3_000_000)
}
