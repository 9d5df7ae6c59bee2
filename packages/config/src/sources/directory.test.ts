import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { startSource, temporaryFolder, until } from '../testing/folder.ts'
import { directorySource } from './directory.ts'

/** What kubelet does to a mounted ConfigMap: a new folder, and one rename of the symlink to it. */
function publish(folder: string, version: string, files: Record<string, string>): void {
  const target = `..${version}`
  mkdirSync(join(folder, target))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, target, name), text)
  symlinkSync(target, join(folder, '..data_tmp'))
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
  for (const name of Object.keys(files)) {
    rmSync(join(folder, name), { force: true })
    symlinkSync(join('..data', name), join(folder, name))
  }
}

describe('directorySource', () => {
  test('reads each key of a ConfigMap as a value, dots nesting, and its version as the revision', async () => {
    const folder = temporaryFolder()
    publish(folder, 'v1', { 'upstream.url': 'http://a\n', limit: '5' })
    expect(await startSource(directorySource(folder)).read()).toEqual({
      kind: 'document',
      document: { upstream: { url: 'http://a' }, limit: '5' },
      revision: '..v1',
    })
  })

  test('wakes on every swap, not on the first alone', async () => {
    const folder = temporaryFolder()
    publish(folder, 'v1', { a: '1' })
    const source = startSource(directorySource(folder))
    for (const version of ['v2', 'v3', 'v4']) {
      const before = source.wakes
      publish(folder, version, { a: version })
      await source.woken(before + 1)
      expect(await source.read()).toMatchObject({ document: { a: version } })
    }
  })

  test('that is swapped twice before a reading ends is read as of one version, and wakes for the last', async () => {
    const folder = temporaryFolder()
    const keys = Array.from({ length: 12 }, (_, index) => `key-${index}`)
    const filesOf = (version: string) => Object.fromEntries(keys.map((key) => [key, version]))
    let current = 'v0'
    const swap = (version: string): void => {
      publish(folder, version, filesOf(version))
      rmSync(join(folder, `..${current}`), { recursive: true })
      current = version
    }
    publish(folder, 'v0', filesOf('v0'))
    const source = startSource(directorySource(folder))
    await source.read()
    for (let round = 1; round <= 30; round += 1) {
      const before = source.wakes
      const reading = source.read()
      for (const half of ['a', 'b']) {
        for (let turns = round % 8; turns > 0; turns -= 1) await turn()
        swap(`v${round}${half}`)
      }
      const { document } = (await reading) as { document: Record<string, string> }
      expect(Object.keys(document)).toHaveLength(12)
      expect(new Set(Object.values(document)).size).toBe(1)
      await source.woken(before + 1)
      expect(await source.read()).toMatchObject({ document: filesOf(current), revision: `..${current}` })
    }
  })

  test('forgets a key that was removed, though its symlink still dangles', async () => {
    const folder = temporaryFolder()
    publish(folder, 'v1', { a: '1', b: '2' })
    publish(folder, 'v2', { a: '1' })
    rmSync(join(folder, '..v1'), { recursive: true })
    expect(await startSource(directorySource(folder)).read()).toMatchObject({ document: { a: '1' } })
  })

  test('reads one document of the folder where it is told to', async () => {
    const folder = temporaryFolder()
    publish(folder, 'v1', { 'agent.json': '{"limit":5}', note: 'x' })
    const source = startSource(directorySource(folder, { document: 'agent.json' }))
    expect(await source.read()).toEqual({ kind: 'document', document: { limit: 5 }, revision: '..v1' })
    publish(folder, 'v2', { note: 'x' })
    expect(await source.read()).toEqual({ kind: 'absent' })
    expect(() => directorySource(folder, { document: 'agent.yaml' })).toThrow(/^parse must be given/)
  })

  test('reads a plain folder too, subfolders nesting, without its hidden files', async () => {
    const folder = temporaryFolder()
    mkdirSync(join(folder, 'upstream'))
    writeFileSync(join(folder, 'upstream', 'url'), 'http://a')
    writeFileSync(join(folder, 'limit'), '5')
    writeFileSync(join(folder, '.limit.swp'), 'x')
    const source = startSource(directorySource(folder, { parse: (text) => JSON.parse(`"${text}"`) }))
    expect(await source.read()).toMatchObject({
      document: { upstream: { url: 'http://a' }, limit: '5' },
    })
  })

  test('tells an empty folder from none', async () => {
    const folder = temporaryFolder()
    expect(await startSource(directorySource(folder)).read()).toMatchObject({ kind: 'empty' })
    expect(await startSource(directorySource(join(folder, 'none'))).read()).toEqual({ kind: 'absent' })
  })

  test('polls beside the watch: a file in a subfolder', async () => {
    const folder = temporaryFolder()
    mkdirSync(join(folder, 'sub'))
    writeFileSync(join(folder, 'sub', 'a'), '1')
    const source = startSource(directorySource(folder, { pollMs: 500 }))
    await until(() => source.clock.sleepers > 0)
    writeFileSync(join(folder, 'sub', 'a'), '22')
    await source.clock.advance(500)
    await source.woken(1)
  })

  test('refuses a file that is both a value and a group, and too much of everything', async () => {
    const folder = temporaryFolder()
    publish(folder, 'v1', { a: '1', 'a.b': '2' })
    await expect(startSource(directorySource(folder)).read()).rejects.toMatchObject({
      code: 'CONFIG_UNREADABLE',
    })
    const small = directorySource(folder, { maxBytes: 1 })
    await expect(startSource(small).read()).rejects.toThrow('more than 1 bytes')
  })
})
