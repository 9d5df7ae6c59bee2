import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { brotliCompressSync, constants } from 'node:zlib'
import fc from 'fast-check'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { encodeIndex } from '../format/index-blob.ts'
import { blobKey, refKey } from '../format/layout.ts'
import { encodeConfig, encodeManifest, mediaTypes, type SnapshotRecord } from '../format/manifest.ts'
import { bytesOfName, isSafeName, nameOfBytes } from '../format/names.ts'
import { encodePackHeader, encodeTrailer, type PackEntry, packHeaderBytes } from '../format/pack.ts'
import { encodeTree, type TreeEntry } from '../format/tree.ts'
import { type BlobStore, memoryStore, openRepository } from '../index.ts'
import { plainKeys, sha256 } from '../keys/keys.ts'
import { descriptorOf } from '../objects.ts'

let folder: string
let store: BlobStore
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'holdfast-malice-'))
  store = memoryStore()
})
afterEach(() => rm(folder, { recursive: true, force: true }))

const attributes = { mode: 0o644, uid: 0, gid: 0, mtimeNs: '0' }
const content = Buffer.from('evil')
const contentId = sha256(content)
const file = (name: string, more: object = {}) =>
  ({ type: 'file', name, ...attributes, size: 4, chunks: [contentId], ...more }) as TreeEntry
const symlink = (name: string, target: string) =>
  ({ type: 'symlink', name, ...attributes, target }) as TreeEntry

/** A snapshot that no backup writes, with every digest right: only what it says is wrong. */
async function forge(
  entries: readonly TreeEntry[],
  change: { entry?: (entry: PackEntry) => PackEntry; record?: object; extra?: Uint8Array[] } = {},
): Promise<string> {
  const tree = encodeTree(entries)
  const parts = [encodePackHeader(new Uint8Array(32), false)]
  const listed: PackEntry[] = []
  let offset = packHeaderBytes
  for (const bytes of [content, tree, ...(change.extra ?? [])]) {
    const entry = {
      id: sha256(bytes),
      offset,
      storedLength: bytes.length,
      length: bytes.length,
      codec: 0,
      ordinal: listed.length,
    }
    parts.push(bytes)
    offset += bytes.length
    listed.push(change.entry?.(entry) ?? entry)
  }
  parts.push(encodeTrailer(listed))
  const pack = descriptorOf(mediaTypes.pack, parts)
  const indexParts = encodeIndex([{ pack: pack.digest.slice(7), size: pack.size, entries: listed }])
  const index = descriptorOf(mediaTypes.index, indexParts)
  const counts = { files: 1, folders: 1, bytes: 4, storedBytes: 4, inconsistent: 0, unreadable: 0 }
  const facts = { name: 'n', timeMs: 0, tags: {}, kind: 'directory', state: 'complete' as const, ...counts }
  const record = {
    ...facts,
    root: { ...attributes, mode: 0o755, tree: sha256(tree) },
    ...change.record,
  } as SnapshotRecord
  const configBytes = encodeConfig(record, plainKeys.seal)
  const config = descriptorOf(mediaTypes.config, [configBytes])
  const manifest = encodeManifest({ config, packs: [pack], indexes: [index] }, record)
  for (const blob of [parts, indexParts, [configBytes], [manifest]])
    await store.put(blobKey(sha256(...blob)), blob)
  await store.put(refKey('n', 0, sha256(manifest)), [])
  return `sha256:${sha256(manifest)}`
}

async function restore(digest: string): Promise<string> {
  await using repository = await openRepository(store)
  return await repository.restore(digest, join(folder, 'target')).then(
    () => 'restored',
    (error: { code?: string }) => error.code ?? String(error),
  )
}

test('what is forged here is restored when nothing is wrong with it', async () => {
  expect(await restore(await forge([file('fine')]))).toBe('restored')
})

test.each([
  ['a way up', [file('..')]],
  ['a path that goes up', [file('../evil')]],
  ['an absolute path', [file('/tmp/evil')]],
  ['a path of several segments', [file('a/b')]],
  ['this folder itself', [file('.')]],
  ['no name', [file('')]],
  ['a NUL in the name', [file('a\0b')]],
  ['a name of 256 bytes', [file('a'.repeat(256))]],
  ['an entry twice', [file('a'), file('a')]],
  [
    'a symbolic link and a folder behind it',
    [symlink('a', '/tmp'), { type: 'folder', name: 'a', ...attributes, tree: contentId } as TreeEntry],
  ],
  ['a NUL in a link', [symlink('a', 'b\0c')]],
  ['a mode that is none', [file('a', { mode: 0o100644 })]],
  ['a negative size', [file('a', { size: -4 })]],
  ['a size that its chunks have not', [file('a', { size: 5 })]],
  ['less size than its chunks have', [file('a', { size: 3 })]],
  ['a chunk id that is none', [file('a', { chunks: ['../../x'] })]],
  ['a type of its own', [file('a', { type: 'device' })]],
  ['an owner that is none', [file('a', { uid: -1 })]],
])('%s is refused', async (_, entries) => {
  expect(await restore(await forge(entries))).toBe('SNAPSHOT_REFUSED')
  expect(await readdir(folder)).toEqual([])
})

test('offsets that overlap, leave gaps or reach beyond the pack are refused', async () => {
  for (const offset of [0, 4_000_000_000]) {
    const digest = await forge([file('a')], {
      entry: (entry) => (entry.ordinal === 1 ? { ...entry, offset } : entry),
    })
    expect(await restore(digest)).toBe('OBJECT_CORRUPT')
  }
  const digest = await forge([file('a')], { entry: (entry) => ({ ...entry, storedLength: 4_000_000_000 }) })
  expect(await restore(digest)).toBe('OBJECT_CORRUPT')
})

test('two chunks of one length that change places are told from one another', async () => {
  const good = Buffer.from('good')
  const swapped = (entry: PackEntry): PackEntry =>
    entry.ordinal === 0
      ? { ...entry, id: sha256(good) }
      : entry.ordinal === 2
        ? { ...entry, id: contentId }
        : entry
  const digest = await forge([file('a')], { entry: swapped, extra: [good] })
  expect(await restore(digest)).toBe('OBJECT_CORRUPT')
  expect(await readdir(folder)).toEqual([])
})

test('a decompression bomb is stopped at the length that it claims', async () => {
  const bomb = brotliCompressSync(Buffer.alloc(20 << 20), { params: { [constants.BROTLI_PARAM_QUALITY]: 1 } })
  const claim = (length: number) => ({
    entry: (entry: PackEntry) => (entry.ordinal === 2 ? { ...entry, length, codec: 1 } : entry),
    extra: [bomb],
  })
  const bombed = (size: number) => file('a', { chunks: [sha256(bomb)], size })
  expect(await restore(await forge([bombed(100)], claim(100)))).toBe('OBJECT_CORRUPT')
  expect(await restore(await forge([bombed(20 << 20)], claim(100)))).toBe('SNAPSHOT_REFUSED')
  expect(await restore(await forge([bombed(20 << 20)], claim(20 << 20)))).toBe('SNAPSHOT_REFUSED')
})

test('links lead no file astray, and set-id bits and devices are not made', async () => {
  const outside = join(folder, 'outside')
  const digest = await forge([
    symlink('a-link', outside),
    file('b', { mode: 0o6755, link: 'group' }),
    file('c', { link: 'group' }),
    { type: 'special', name: 'device', ...attributes } as TreeEntry,
  ])
  expect(await restore(digest)).toBe('restored')
  expect(existsSync(outside)).toBe(false)
  expect((await stat(join(folder, 'target/b'))).mode & 0o7777).toBe(0o755)
  expect(await readdir(join(folder, 'target'))).toEqual(['a-link', 'b', 'c'])
})

test('a tree that holds itself cannot be, and one that claims to ends', async () => {
  const digest = await forge([
    { type: 'folder', name: 'a', ...attributes, tree: 'a'.repeat(64) } as TreeEntry,
  ])
  expect(await restore(digest)).toBe('OBJECT_MISSING')
})

test('names of any bytes survive, and only safe ones are let in', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 40 }), (bytes) => {
      const name = nameOfBytes(bytes)
      expect(bytesOfName(name).equals(bytes)).toBe(true)
      expect(JSON.parse(JSON.stringify(name))).toBe(name)
      const dots = bytes.every((byte) => byte === 46) && bytes.length <= 2
      expect(isSafeName(name)).toBe(!dots && !bytes.includes(0) && !bytes.includes(47))
    }),
    { numRuns: 300 },
  )
})
