import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { link, mkdir, mkdtemp, readdir, rm, symlink, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '@holdfast/core'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { type BlobStore, directory, memoryStore, openRepository } from '../index.ts'
import { plainKeys } from '../keys/keys.ts'
import { createObjects } from '../objects.ts'
import type { SourceOptions } from '../source/source.ts'
import { createThreads, type Threads } from '../threads/thread.ts'
import { createFolderLister } from './folder-lister.ts'

let folder: string
let threads: Threads
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-lister-'))
  threads = createThreads(2, { idKey: undefined, maxBytes: 0, compression: 'brotli' })
})
afterEach(async () => {
  await threads.close()
  await rm(folder, { recursive: true, force: true })
})

async function fill(): Promise<void> {
  await mkdir(join(folder, 'a/b/c'), { recursive: true })
  for (let at = 0; at < 200; at += 1) await writeFile(join(folder, `file-${at}`), `${at} `.repeat(at))
  for (let at = 0; at < 120; at += 1) await writeFile(join(folder, `a/b/c/${at}`), `deep ${at}`)
  for (let at = 0; at < 20; at += 1) {
    await mkdir(join(folder, `many-${at}/in`), { recursive: true })
    await writeFile(join(folder, `many-${at}/in/it`), createHash('sha256').update(`${at}`).digest())
  }
  execFileSync('mkfifo', [join(folder, 'a/fifo')])
  await symlink('nowhere', join(folder, 'a/link'))
  await link(join(folder, 'file-7'), join(folder, 'a/hard'))
  await writeFile(join(folder, 'a/sparse'), '')
  await truncate(join(folder, 'a/sparse'), 1 << 20)
  await writeFile(Buffer.concat([Buffer.from(`${folder}/a/odd-`), Buffer.of(0xff)]), 'odd')
}

/** All that the source tells, with what it does left out. */
async function told(listFolder: SourceOptions['listFolder']): Promise<string> {
  const opened = await directory(folder).open({ clock: systemClock, ...(listFolder && { listFolder }) })
  const all: unknown[] = []
  const walk = async (entries: Awaited<ReturnType<typeof opened.root.entries>>): Promise<void> => {
    for (const entry of entries) {
      all.push(entry)
      if (entry.type === 'folder') await walk(await entry.entries())
    }
  }
  await walk(await opened.root.entries())
  await opened.close()
  return JSON.stringify(all, undefined, 1)
}

test('a thread tells of a folder what the source finds by itself', async () => {
  await fill()
  const lister = createFolderLister(threads)
  expect(await lister.list(folder)).toBe(undefined) // No thread is started for so little.
  lister.saw(3_000)
  const listing = await lister.list(join(folder, 'a'))
  expect(listing?.map((listed) => (typeof listed === 'string' ? listed : listed.type))).toEqual([
    ...['folder', 'special', 'file', 'link', 'file', 'file'], // What a link points to is left to be read.
  ])
  expect(await told(lister.list)).toBe(await told(undefined))
  expect(await lister.list(join(folder, 'none'))).toBe(undefined)
  expect(await lister.list(join(folder, 'file-1'))).toBe(undefined)
})

test('once the threads are gone, the source reads by itself', async () => {
  await fill()
  const lister = createFolderLister(threads)
  lister.saw(3_000)
  expect(await lister.list(folder)).toHaveLength(221)
  await threads.close()
  expect(await lister.list(folder)).toBe(undefined)
  expect(await told(lister.list)).toBe(await told(undefined))
})

async function treeOf(store: BlobStore, count: number): Promise<string> {
  await using repository = await openRepository(store, { threads: count })
  for (const name of ['n', 'n']) {
    const { digest } = await repository.backup(directory(folder), { name })
    await repository.verify(digest, { level: 'data' })
  }
  const [first, last] = await repository.list()
  expect(last!.files).toBe(first!.files)
  return (await createObjects(store, plainKeys).record(last!.digest.slice(7))).root.tree
}

test('with threads and without, a snapshot is the same, and so is the next', async () => {
  await fill()
  for (let at = 0; at < 4_000; at += 1) {
    if (at % 100 === 0) await mkdir(join(folder, `x${at / 100}`))
    await writeFile(join(folder, `x${Math.floor(at / 100)}/${at}`), '')
  }
  expect(await readdir(folder)).toHaveLength(261)
  expect(await treeOf(memoryStore(), 3)).toBe(await treeOf(memoryStore(), 0))
})
