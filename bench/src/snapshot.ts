import { spawn, spawnSync } from 'node:child_process'
import { appendFile, cp, mkdir, readdir, readFile, stat, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { performance } from 'node:perf_hooks'
import { directory, folderStore, levelDb, openRepository, type Repository } from '@holdfast/snapshot'
import { Level } from 'level'
import type { Benchmark, Round, Row } from './harness.ts'

// One tree of files for all rows: compressible text, binary pieces, many small files and a few
// large ones. Every figure is of encrypted repositories, ours and the peer's, with warm caches.

const key = new Uint8Array(32).fill(3)
const password = { ...process.env, RESTIC_PASSWORD: 'bench', BORG_PASSPHRASE: 'bench' }

/** Makes the tree: 1.26 GB in 20,107 files, and a sixteenth of that when quick. */
async function makeTree(folder: string, quick: boolean): Promise<string> {
  const tree = join(folder, 'tree')
  const binary = await readFile(process.execPath)
  const folders = quick ? 13 : 200
  for (let at = 0; at < folders; at += 1) {
    const path = join(tree, `folder-${at}`)
    await mkdir(path, { recursive: true })
    for (let file = 0; file < 100; file += 1) {
      const from = ((at * 100 + file) * 48_611) % (binary.length - 60_000)
      await writeFile(
        join(path, `file-${file}`),
        binary.subarray(from, from + 2_000 + ((file * 509) % 48_000)),
      )
    }
  }
  for (let file = 0; file < (quick ? 1 : 7); file += 1)
    await writeFile(
      join(tree, `large-${file}`),
      Buffer.concat([Buffer.from(`head ${file}`), binary.subarray(file * 4_096)]),
    )
  // Long ago, so that nobody has to take it for a change in the last moment.
  for (const name of await readdir(tree)) await utimes(join(tree, name), 1e9, 1e9)
  return tree
}

/** Changes one file of a hundred. */
async function changeOnePercent(tree: string): Promise<void> {
  for (const name of await readdir(tree)) {
    if (name.startsWith('folder')) await appendFile(join(tree, name, 'file-7'), 'changed')
  }
}

async function seconds(operation: () => Promise<unknown>): Promise<number> {
  const begun = performance.now()
  await operation()
  return (performance.now() - begun) / 1_000
}

async function run(command: string, args: readonly string[], cwd?: string): Promise<void> {
  const child = spawn(command, args, {
    env: password,
    stdio: ['ignore', 'ignore', 'pipe'],
    ...(cwd && { cwd }),
  })
  let said = ''
  child.stderr.on('data', (text) => {
    said += text
  })
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve))
  if (code !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${code}: ${said}`)
}

function needs(command: string): Row['skip'] {
  return async () => {
    const found =
      spawnSync(command, ['--version']).status === 0 || spawnSync(command, ['version']).status === 0
    return found ? undefined : `${command} is not installed`
  }
}

async function open(folder: string): Promise<Repository> {
  return openRepository(folderStore(join(folder, 'repository')), { key })
}

const take = (repository: Repository, tree: string) => repository.backup(directory(tree), { name: 'bench' })
const restic = (folder: string, ...args: string[]) =>
  run('restic', ['-q', '-r', join(folder, 'restic'), ...args])

async function resticBackup({ folder, quick }: Round): Promise<string> {
  const tree = await makeTree(folder, quick)
  await restic(folder, 'init')
  await restic(folder, 'backup', tree)
  return tree
}

/** Both sides prepare alike; only `measured` counts. */
function besideRestic(
  id: string,
  title: string,
  target: number,
  ours: (folder: string, tree: string, repository: Repository) => Promise<number>,
  peer: (folder: string, tree: string) => Promise<number>,
): Row {
  return {
    id,
    title,
    unit: 's',
    target: { of: 'ratio', is: '<=', value: target },
    quick: true,
    rounds: 3,
    skip: needs('restic')!,
    ours: async ({ folder, quick }) => {
      const tree = await makeTree(folder, quick)
      await using repository = await open(folder)
      await take(repository, tree)
      return await ours(folder, tree, repository)
    },
    peer: { name: 'restic', measure: async (round) => peer(round.folder, await resticBackup(round)) },
  }
}

async function folderBytes(folder: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size
  return bytes
}

const full = (
  id: string,
  peer: string,
  target: number,
  command: (folder: string, tree: string) => Promise<void>,
): Row => ({
  id,
  title: `A first backup, beside ${peer}`,
  unit: 's',
  target: { of: 'ratio', is: '<=', value: target },
  quick: true,
  rounds: 3,
  skip: needs(peer)!,
  ours: async ({ folder, quick }) => {
    const tree = await makeTree(folder, quick)
    await using repository = await open(folder)
    return await seconds(() => take(repository, tree))
  },
  peer: {
    name: peer,
    measure: async ({ folder, quick }) => {
      const tree = await makeTree(folder, quick)
      if (peer === 'restic') await restic(folder, 'init')
      if (peer === 'borg') await run('borg', ['init', '-e', 'repokey', join(folder, 'borg')])
      return seconds(() => command(folder, tree))
    },
  },
})

export const benchmark: Benchmark = {
  name: 'snapshot',
  rows: [
    full('full-restic', 'restic', 0.6, (folder, tree) => restic(folder, 'backup', tree)),
    full('full-borg', 'borg', 0.5, (folder, tree) =>
      run('borg', ['create', `${join(folder, 'borg')}::one`, tree]),
    ),
    full('full-tar', 'tar', 0.15, (folder, tree) => run('tar', ['-czf', join(folder, 'tree.tgz'), tree])),
    besideRestic(
      'changed-1-percent',
      'A backup after 1 % of the files changed',
      0.5,
      async (_, tree, repository) => {
        await changeOnePercent(tree)
        return seconds(() => take(repository, tree))
      },
      async (folder, tree) => {
        await changeOnePercent(tree)
        return seconds(() => restic(folder, 'backup', tree))
      },
    ),
    besideRestic(
      'unchanged',
      'A backup of what did not change',
      0.35,
      async (_, tree, repository) => {
        await new Promise((resolve) => setTimeout(resolve, 2_100)) // Past the time in which no mtime is trusted.
        await take(repository, tree)
        return seconds(() => take(repository, tree))
      },
      (folder, tree) => seconds(() => restic(folder, 'backup', tree)),
    ),
    {
      id: 'verify-bytes',
      title: 'Verify the stored bytes, beside hashing the repository with openssl',
      unit: 's',
      target: { of: 'ratio', is: '<=', value: 1.3 },
      quick: true,
      rounds: 3,
      skip: needs('openssl')!,
      ours: async ({ folder, quick }) => {
        const tree = await makeTree(folder, quick)
        await using repository = await open(folder)
        const snapshot = await take(repository, tree)
        return await seconds(() => repository.verify(snapshot, { level: 'bytes' }))
      },
      peer: {
        name: 'openssl dgst -sha256',
        measure: async ({ folder, quick }) => {
          const tree = await makeTree(folder, quick)
          await using repository = await open(folder)
          await take(repository, tree)
          const blobs = join(folder, 'repository/blobs/sha256')
          const names = await readdir(blobs)
          return await seconds(() => run('openssl', ['dgst', '-sha256', ...names], blobs))
        },
      },
    },
    besideRestic(
      'verify-data',
      'Verify every chunk',
      0.8,
      async (_folder, _tree, repository) => {
        const [snapshot] = await repository.list()
        return seconds(() => repository.verify(snapshot!, { level: 'data' }))
      },
      (folder) => seconds(() => restic(folder, 'check', '--read-data')),
    ),
    besideRestic(
      'restore',
      'Restore everything, neither with fsync',
      0.9,
      async (folder, _tree, repository) => {
        const [snapshot] = await repository.list()
        return seconds(() => repository.restore(snapshot!, join(folder, 'restored'), { fsync: false }))
      },
      (folder) => seconds(() => restic(folder, 'restore', 'latest', '--target', join(folder, 'restored'))),
    ),
    {
      ...besideRestic(
        'size',
        'Size of the repository',
        1.02,
        (folder) => folderBytes(join(folder, 'repository')),
        (folder) => folderBytes(join(folder, 'restic')),
      ),
      unit: 'bytes',
    },
    {
      id: 'copy-unchanged',
      title: 'Copy an unchanged snapshot to a store that has it, beside the first copy',
      unit: 's',
      target: { of: 'ratio', is: '<=', value: 0.08 },
      quick: true,
      rounds: 3,
      ours: async ({ folder, quick }) => {
        const tree = await makeTree(folder, quick)
        await using repository = await open(folder)
        const other = folderStore(join(folder, 'other'))
        await repository.copyTo(other, await take(repository, tree))
        const again = await take(repository, tree)
        return await seconds(() => repository.copyTo(other, again))
      },
      peer: {
        name: 'the first copy',
        measure: async ({ folder, quick }) => {
          const tree = await makeTree(folder, quick)
          await using repository = await open(folder)
          const snapshot = await take(repository, tree)
          return await seconds(() => repository.copyTo(folderStore(join(folder, 'other')), snapshot))
        },
      },
    },
    {
      id: 'leveldb-checkpoint',
      title: 'Fix the state of a live LevelDB of 64 MB, beside a naive copy of its folder',
      unit: 's',
      target: { of: 'ratio', is: '<=', value: 0.2 },
      quick: true,
      ours: ({ folder }) =>
        withLevel(folder, async (path) => {
          const source = levelDb(path)
          const clock = { now: () => 0, wall: () => 0, uptime: () => 0, sleep: async () => {} }
          const begun = performance.now()
          const opened = await source.open({ clock })
          const took = (performance.now() - begun) / 1_000
          await opened.close()
          return took
        }),
      peer: {
        name: 'naive copy',
        measure: ({ folder }) =>
          withLevel(folder, (path) => seconds(() => copyNaively(path, join(folder, 'naive')))),
      },
    },
  ],
}

/** File by file, as found; what a compaction took away meanwhile is left out, and the copy is worth nothing. */
async function copyNaively(from: string, to: string): Promise<void> {
  await mkdir(to)
  for (const name of await readdir(from))
    await cp(join(from, name), join(to, name)).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    })
}

async function withLevel(folder: string, measure: (path: string) => Promise<number>): Promise<number> {
  const path = join(folder, 'level')
  const db = new Level<string, string>(path, { compression: false })
  await db.open()
  try {
    for (let batch = 0; batch < 640; batch += 1)
      await db.batch(
        Array.from({ length: 100 }, (_, at) => ({
          type: 'put',
          key: `${batch}:${at}`,
          value: 'x'.repeat(1_000),
        })),
      )
    return await measure(path)
  } finally {
    await db.close()
  }
}
