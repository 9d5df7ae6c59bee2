import { describe, expect, test } from 'vitest'
import { startSource } from '../testing/folder.ts'
import { environmentSource } from './environment.ts'

describe('environmentSource', () => {
  test('nests by the separator, in camel case, and reads the prefix alone', async () => {
    const variables = { AGENT_UPSTREAM__MAX_BYTES: '5', AGENT_EMPTY: '', OTHER: 'x', AGENT_GONE: undefined }
    const source = startSource(environmentSource(variables, { prefix: 'AGENT_' }))
    expect(await source.read()).toMatchObject({
      kind: 'document',
      document: { upstream: { maxBytes: '5' }, empty: '' },
    })
  })

  test('parses values where it is told to', async () => {
    const parse = (text: string, path: readonly string[]): unknown =>
      path[0] === 'limit' ? Number(text) : text
    const source = startSource(environmentSource({ A_LIMIT: '5', A_B: '6' }, { prefix: 'A_', parse }))
    expect(await source.read()).toMatchObject({ document: { limit: 5, b: '6' } })
  })

  test('counts a value that is not parsed as unreadable, and quotes nothing of it', async () => {
    const parse = (text: string): unknown => JSON.parse(text)
    const source = startSource(environmentSource({ A_TOKEN: 'hunter2' }, { prefix: 'A_', parse }))
    const error = await source.read().catch((failure: unknown) => failure)
    expect(error).toMatchObject({ code: 'CONFIG_UNREADABLE' })
    expect((error as Error).message).toMatch(/^environment A_\*: A_TOKEN was not parsed: .*…/)
    expect((error as Error).message).not.toContain('hunter')
  })

  test('refuses a variable that is both a value and a group', async () => {
    const source = startSource(environmentSource({ A_B: '1', A_B__C: '2' }, { prefix: 'A_' }))
    await expect(source.read()).rejects.toMatchObject({ code: 'CONFIG_UNREADABLE' })
  })

  test('gives an empty document where no variable has the prefix', async () => {
    expect(await startSource(environmentSource({}, { prefix: 'A_' })).read()).toMatchObject({ document: {} })
  })

  test('reaches no prototype', async () => {
    const source = startSource(
      environmentSource({ 'A___proto__.__x': '1' }, { prefix: 'A_', separator: '.' }),
    )
    await source.read().catch(() => undefined)
    expect(({} as { x?: string }).x).toBeUndefined()
    expect(() => environmentSource({}, { prefix: '' })).toThrow(TypeError)
  })
})
