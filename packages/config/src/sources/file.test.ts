import { chmodSync, mkdirSync, renameSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createFakeClock } from '@holdfast/core/testing'
import { describe, expect, test } from 'vitest'
import { openConfig } from '../config.ts'
import { startSource, temporaryFolder, until } from '../testing/folder.ts'
import { logOf, schema, valid } from '../testing/kit.ts'
import { parseToml } from '../toml.ts'
import { parseYaml } from '../yaml.ts'
import { fileSource } from './file.ts'

describe('fileSource', () => {
  test('tells a document, an empty file, no file and a broken one apart', async () => {
    const path = join(temporaryFolder(), 'agent.json')
    const source = startSource(fileSource(path))
    expect(await source.read()).toEqual({ kind: 'absent' })
    writeFileSync(path, '{"a":1}')
    expect(await source.read()).toMatchObject({ kind: 'document', document: { a: 1 } })
    writeFileSync(path, ' \n')
    expect(await source.read()).toMatchObject({ kind: 'empty' })
    writeFileSync(path, '{"token":"hunter2"')
    await expect(source.read()).rejects.toMatchObject({
      code: 'CONFIG_UNREADABLE',
      message: `file ${path} is not valid JSON at line 1, column 19`,
      fields: { source: `file ${path}` },
    })
  })

  test('gives one content one revision', async () => {
    const path = join(temporaryFolder(), 'agent.json')
    const source = startSource(fileSource(path))
    const revisions = []
    for (const text of ['{"a":1}', '{"a":2}', '{"a":1}']) {
      writeFileSync(path, text)
      revisions.push(((await source.read()) as { revision: string }).revision)
    }
    expect(revisions[0]).toBe(revisions[2])
    expect(revisions[0]).not.toBe(revisions[1])
  })

  test("wakes on a write, a truncation, an editor's rename, and a removal", async () => {
    const folder = temporaryFolder()
    const path = join(folder, 'agent.json')
    writeFileSync(path, '{}')
    const source = startSource(fileSource(path))
    await source.read()
    const changes = [
      () => writeFileSync(path, '{"a":1}'),
      () => truncateSync(path),
      () => writeFileSync(path, '{"a":2}'),
      () => {
        writeFileSync(`${path}~`, '{"a":3}')
        renameSync(`${path}~`, path)
      },
      () => writeFileSync(path, '{"a":4}'), // a watch on the file would have followed the old inode
      () => rmSync(path),
    ]
    for (const change of changes) {
      const before = source.wakes
      change()
      await source.woken(before + 1)
    }
    expect(await source.read()).toEqual({ kind: 'absent' })
  })

  test('that is truncated and then written empties no config, whatever moment it is read at', async () => {
    const path = join(temporaryFolder(), 'agent.json')
    const write = (text: string) => writeFileSync(path, text)
    write(JSON.stringify({ ...valid, limit: 20 }))
    await using config = await openConfig({
      schema,
      sources: [fileSource(path)],
      clock: createFakeClock(),
    })
    const log = logOf(config)
    const next = JSON.stringify({ ...valid, limit: 30 })
    for (const length of [0, 1, 10, next.length]) {
      write(next.slice(0, length))
      await config.refresh()
      expect(config.value.limit).toBe(length === next.length ? 30 : 20)
    }
    expect(log).toEqual([
      'rejected CONFIG_EMPTY',
      'rejected CONFIG_UNREADABLE',
      'rejected CONFIG_UNREADABLE',
      'applied 2 live limit',
    ])
  })

  test('does not wake for its neighbours', async () => {
    const folder = temporaryFolder()
    const path = join(folder, 'agent.json')
    writeFileSync(path, '{}')
    const source = startSource(fileSource(path))
    writeFileSync(join(folder, 'other.json'), '{}')
    writeFileSync(path, '{"a":1}')
    await source.woken(1)
    writeFileSync(join(folder, 'other.json'), '{"b":1}')
    const before = source.wakes
    writeFileSync(path, '{"a":2}')
    await source.woken(before + 1)
    expect(source.wakes).toBeLessThanOrEqual(5)
  })

  test('finds by its poll what the watch cannot see, such as a change behind a symlink', async () => {
    const folder = temporaryFolder()
    const elsewhere = temporaryFolder()
    writeFileSync(join(elsewhere, 'real.json'), '{"a":1}')
    symlinkSync(join(elsewhere, 'real.json'), join(folder, 'agent.json'))
    const source = startSource(fileSource(join(folder, 'agent.json'), { pollMs: 1_000 }))
    await until(() => source.clock.sleepers > 0)
    writeFileSync(join(elsewhere, 'real.json'), '{"a":22}')
    await source.clock.advance(1_000)
    await source.woken(1)
  })

  test('watches a folder that comes later', async () => {
    const folder = join(temporaryFolder(), 'later')
    const source = startSource(fileSource(join(folder, 'agent.json'), { pollMs: 1_000 }))
    expect(await source.read()).toEqual({ kind: 'absent' })
    await until(() => source.clock.sleepers > 0)
    mkdirSync(folder)
    await source.clock.advance(1_000)
    await source.woken(1)
    await until(() => source.clock.sleepers > 0)
    const before = source.wakes
    writeFileSync(join(folder, 'agent.json'), '{}')
    await source.woken(before + 1)
  })

  test('refuses a file that is too long, and a name that promises another format', async () => {
    const path = join(temporaryFolder(), 'agent.json')
    writeFileSync(path, JSON.stringify({ a: 'x'.repeat(100) }))
    await expect(startSource(fileSource(path, { maxBytes: 50 })).read()).rejects.toThrow(
      'longer than 50 bytes',
    )
    expect(() => fileSource('agent.yaml')).toThrow(/^parse must be given for agent.yaml, such as parseYaml/)
    expect(() => fileSource('')).toThrow(TypeError)
  })

  test.skipIf(process.getuid?.() === 0)('rejects with the refusal of the system', async () => {
    const path = join(temporaryFolder(), 'agent.json')
    writeFileSync(path, '{}')
    chmodSync(path, 0)
    await expect(startSource(fileSource(path)).read()).rejects.toMatchObject({ code: 'EACCES' })
  })

  test.each([
    ['agent.yaml', 'upstream:\n  url: http://a\n', parseYaml],
    ['agent.toml', '[upstream]\nurl = "http://a"\n', parseToml],
  ])('reads %s by its parser', async (name, text, parse) => {
    const path = join(temporaryFolder(), name)
    writeFileSync(path, text)
    expect(await startSource(fileSource(path, { parse })).read()).toMatchObject({
      document: { upstream: { url: 'http://a' } },
    })
  })
})
