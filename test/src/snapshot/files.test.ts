import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import {
  chmod,
  link,
  mkdir,
  mkdtemp,
  open,
  readdir,
  rm,
  stat,
  symlink,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { directory, folderStore, openRepository } from '@holdfast/snapshot'
import { afterAll, beforeAll, expect, test } from 'vitest'

// Whatever a folder can hold, compared by the system's own tools: they know nothing of us.
const isRoot = process.getuid?.() === 0
const deep = process.env['HOLDFAST_DEEP'] === '1'
let folder: string
let source: string
let target: string
const server = createServer()

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-files-'))
  source = join(folder, 'source')
  target = join(folder, 'target')
  await mkdir(source)
  await makeLinks()
  await makeSpecials()
  await makeOddNames()
  await makeOddContents()
  await makeOddModesAndTimes()
})
afterAll(async () => {
  server.close()
  execFileSync('chmod', ['-R', 'u+rwX', folder])
  await rm(folder, { recursive: true, force: true })
})

async function makeLinks(): Promise<void> {
  await mkdir(join(source, 'links/inner'), { recursive: true })
  await symlink('nowhere', join(source, 'links/dangling'))
  await symlink('loop', join(source, 'links/loop'))
  await symlink('inner', join(source, 'links/to-folder'))
  await symlink('/etc/hostname', join(source, 'links/absolute'))
  await symlink(Buffer.from([0xff, 0xfe]), join(source, 'links/odd-target'))
  await writeFile(join(source, 'links/one'), 'one of three')
  await link(join(source, 'links/one'), join(source, 'links/inner/two'))
  await link(join(source, 'links/one'), join(source, 'three'))
}

async function makeSpecials(): Promise<void> {
  await mkdir(join(source, 'special'))
  execFileSync('mkfifo', [join(source, 'special/fifo')])
  server.listen(join(source, 'special/socket'))
  await once(server, 'listening')
}

async function makeOddNames(): Promise<void> {
  const names = join(source, 'names')
  await mkdir(names)
  for (const name of [
    'ünï🦀',
    '\u0065\u0301',
    ' ',
    '-rf',
    '*',
    'new\nline',
    'back\\slash',
    'Case',
    'case',
    'n'.repeat(255),
  ])
    await writeFile(join(names, name), name)
  for (const bytes of [[0xff], [0xc3, 0x28], [0xed, 0xa0, 0x80], [0x80, 0x61]])
    await writeFile(Buffer.concat([Buffer.from(`${names}/`), Buffer.from(bytes)]), 'odd')
  let path = join(source, 'names/deep')
  for (let depth = 0; depth < 60; depth += 1) path = join(path, 'd'.repeat(20))
  await mkdir(path, { recursive: true })
  await writeFile(join(path, 'bottom'), 'bottom')
}

async function makeOddContents(): Promise<void> {
  await mkdir(join(source, 'empty'))
  await mkdir(join(source, 'many'))
  await writeFile(join(source, 'nothing'), '')
  for (let file = 0; file < (deep ? 20_000 : 1_000); file += 1)
    await writeFile(join(source, 'many', `${file}`), `${file}`)
  for (const size of [4_095, 4_096, 4_097, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, deep ? 1 << 30 : 9 << 20]) {
    const file = await open(join(source, `of-${size}`), 'w')
    for (let at = 0; at < size; at += 1 << 20)
      await file.write(Buffer.alloc(Math.min(1 << 20, size - at), `${at} bytes in `))
    await file.close()
  }
  const sparse = await open(join(source, 'sparse'), 'w')
  await sparse.write('head', 0)
  await sparse.write('middle', 10 << 20)
  await sparse.truncate(32 << 20)
  await sparse.close()
}

async function makeOddModesAndTimes(): Promise<void> {
  await mkdir(join(source, 'modes'))
  for (const mode of [0o400, 0o644, 0o777, 0o111, ...(isRoot ? [0o000] : [])]) {
    if (!isRoot && !(mode & 0o400)) continue
    await writeFile(join(source, 'modes', mode.toString(8)), 'mode')
    await chmod(join(source, 'modes', mode.toString(8)), mode)
  }
  const times = [-1_000_000_000.5, -0.000001, 0, 1.000001, 4_000_000_000.123456]
  for (const [at, time] of times.entries()) {
    await writeFile(join(source, 'modes', `time-${at}`), 'time')
    await utimes(join(source, 'modes', `time-${at}`), time, time)
  }
  await mkdir(join(source, 'read-only'))
  await writeFile(join(source, 'read-only/file'), 'in a folder that nobody may write to')
  await chmod(join(source, 'read-only'), 0o555)
  await mkdir(join(source, 'sticky'))
  await chmod(join(source, 'sticky'), 0o1777)
}

/** Type, mode, size, links, target and time in µs of all but specials, each by its path, as `find` sees it. */
function facts(root: string): string[] {
  const format = '%P|%y|%m|%n|%l|%T@|%s\\0'
  const found = execFileSync('find', ['.', '-not', '-type', 'p', '-not', '-type', 's', '-printf', format], {
    cwd: root,
    encoding: 'latin1',
    maxBuffer: 1 << 28,
  })
  // The size of a folder is the file system's affair; times are promised to the µs.
  return found
    .split('\0')
    .map((line) => line.replace(/(\.\d{6})\d*(\|\d+)$/, '$1$2').replace(/^(.*\|d\|.*)\|\d+$/s, '$1'))
    .sort()
}

function checksums(root: string): string {
  return execFileSync('bash', ['-c', 'find . -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum'], {
    cwd: root,
    encoding: 'latin1',
    maxBuffer: 1 << 28,
  })
}

test('everything comes back as it was, and specials are told of', async () => {
  await using repository = await openRepository(folderStore(join(folder, 'repository')))
  const snapshot = await repository.backup(directory(source), { name: 'n' })
  expect(snapshot).toMatchObject({ state: 'complete', unreadable: 0, inconsistent: 0 })
  const { skippedPaths } = await repository.restore(snapshot, target, { fsync: deep })
  expect([...skippedPaths].sort()).toEqual(['special/fifo', 'special/socket'])
  expect(facts(target)).toEqual(facts(source))
  execFileSync('sha256sum', ['--quiet', '-c', '-'], {
    cwd: target,
    input: Buffer.from(checksums(source), 'latin1'),
  })
  const { stdout, status } = diff()
  expect(stdout.split('\n').filter((line) => line !== '')).toEqual([
    `Only in ${join(source, 'special')}: fifo`,
    `Only in ${join(source, 'special')}: socket`,
  ])
  expect(status).toBe(1)
  expect((await stat(join(target, 'sparse'))).blocks).toBeLessThan(100)
  const inode = async (path: string) => (await stat(join(target, path))).ino
  expect(new Set([await inode('links/one'), await inode('links/inner/two'), await inode('three')]).size).toBe(
    1,
  )
  // Again, over itself: nothing changed, so all is taken from there.
  const next = await repository.backup(directory(source), { name: 'n' })
  expect(next.storedBytes).toBe(0)
  const replaced = await repository.restore(next, target, { overwrite: 'replace', fsync: false })
  expect(replaced.reusedBytes).toBeGreaterThan(replaced.restoredBytes * 0.9)
  expect(facts(target)).toEqual(facts(source))
})

test('every blob has the hash that is its name, says sha256sum', async () => {
  const blobs = join(folder, 'repository/blobs/sha256')
  const names = await readdir(blobs)
  expect(names.length).toBeGreaterThan(3)
  const list = names.map((name) => `${name}  ${name}\n`).join('')
  execFileSync('sha256sum', ['--strict', '--quiet', '-c', '-'], { cwd: blobs, input: list })
})

function diff(): { stdout: string; status: number } {
  try {
    const stdout = execFileSync('diff', ['-r', '--no-dereference', source, target], { encoding: 'utf8' })
    return { stdout, status: 0 }
  } catch (error) {
    return error as { stdout: string; status: number }
  }
}
