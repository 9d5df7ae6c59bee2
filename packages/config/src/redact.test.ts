import { inspect } from 'node:util'
import { createFakeClock } from '@holdfast/core/testing'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { openConfig } from './config.ts'
import { createSecrets } from './redact.ts'
import { memorySource } from './sources/memory.ts'
import { logOf } from './testing/kit.ts'

describe('createSecrets', () => {
  test('covers a path, all below it, and any one key by a star', () => {
    const secrets = createSecrets([['a', 'token'], ['list', '*', 'password'], ['whole']])
    const value = { a: { token: 't', url: 'u' }, list: [{ password: 'p', name: 'n' }], whole: { deep: [1] } }
    expect(secrets.redactValue(value, [])).toEqual({
      a: { token: '[redacted]', url: 'u' },
      list: [{ password: '[redacted]', name: 'n' }],
      whole: '[redacted]',
    })
    expect(secrets.redactValue(1, ['whole', 'deep', '0'])).toBe('[redacted]')
    expect(secrets.redactValue('u', ['a', 'url'])).toBe('u')
  })

  test('replaces a secret in a text however it is quoted, the longest first', () => {
    const secrets = createSecrets([['*']])
    secrets.learn({ a: 'pass"word', b: 'pass', c: 'with space/é', d: 4711, e: null, f: '' })
    expect(secrets.redactText('x pass"word y')).toBe('x [redacted] y')
    expect(secrets.redactText(JSON.stringify({ a: 'pass"word' }))).toBe('{"a":"[redacted]"}')
    expect(secrets.redactText('http://h/?q=with%20space%2F%C3%A9')).toBe('http://h/?q=[redacted]')
    expect(secrets.redactText('port 4711')).toBe('port [redacted]')
    expect(secrets.redactText('nothing here')).toBe('nothing here')
  })

  test('leaves no trace in an error, wherever it hides', () => {
    fc.assert(
      fc.property(
        fc.string({ minLength: 6, maxLength: 20, unit: 'grapheme' }),
        fc.nat(3),
        (secret, place) => {
          const secrets = createSecrets([['token']])
          secrets.learn({ token: secret })
          const inner = Object.assign(new TypeError(place === 0 ? `bad ${secret}` : 'bad'), {
            ...(place === 1 ? { options: { headers: [secret] } } : {}),
          })
          const error = new Error(place === 2 ? `outer ${secret}` : 'outer', {
            cause: place === 3 ? { deep: secret } : inner,
          })
          const shown = inspect(secrets.redactError(error), { depth: 10, showHidden: true })
          // The names of this file and of Node stand in stacks; a secret of their letters proves nothing.
          if (inspect(new Error('outer')).includes(secret)) return
          expect(shown).not.toContain(secret)
        },
      ),
    )
  })

  test('returns an error as it is that is plain and shows no secret', () => {
    const secrets = createSecrets([['token']])
    secrets.learn({ token: 'hunter2' })
    const cause = Object.assign(new Error('inner'), { code: 'EACCES', errno: -13, fields: { paths: ['a'] } })
    const error = new Error('plain', { cause })
    expect(secrets.redactError(error)).toBe(error)
  })

  test('of an error that is not plain keeps what is harmless', () => {
    const secrets = createSecrets([['token']])
    secrets.learn({ token: 'hunter2' })
    class Headers {
      readonly #hidden = 'Bearer hunter2'
      toJSON(): string {
        return this.#hidden
      }
    }
    const first = Object.assign(new TypeError('first'), { headers: new Headers(), status: 401 })
    const error = secrets.redactError(new AggregateError([first, 'hunter2'], 'both'))
    expect(error).toMatchObject({
      message: 'both',
      errors: [{ name: 'TypeError', status: 401 }, '[redacted]'],
    })
    expect(JSON.stringify([error, (error as AggregateError).errors])).not.toContain('hunter2')
  })

  test('comes to an end with causes that are a ring, and objects that are deep', () => {
    const secrets = createSecrets([['token']])
    secrets.learn({ token: 'hunter2' })
    const ring = new Error('ring')
    ring.cause = ring
    let deep: unknown = 'hunter2'
    for (let level = 0; level < 20; level += 1) deep = { deep }
    const error = secrets.redactError(Object.assign(ring, { deep }))
    expect(inspect(error, { depth: 30 })).not.toContain('hunter2')
  })

  test('knows a line of a longer secret, a trimmed one, and what each form of a URL makes of it', () => {
    const secrets = createSecrets([['key'], ['password']])
    secrets.learn({ key: '-----BEGIN KEY-----\nhunter2hunter2\n', password: " hunter2 (x)'s " })
    expect(secrets.redactText('bad line hunter2hunter2')).toBe('bad line [redacted]')
    expect(secrets.redactText("login hunter2 (x)'s!")).toBe('login [redacted]!')
    const url = new URL('http://host')
    url.password = "hunter2 (x)'s"
    expect(secrets.redactText(url.href)).not.toContain('hunter2')
    expect(secrets.redactText(String(new URLSearchParams({ p: " hunter2 (x)'s " })))).not.toContain('hunter2')
  })

  test('forgets what was not used for long, never what is', () => {
    const secrets = createSecrets([['*']], 20)
    for (let turn = 0; turn < 30; turn += 1) secrets.learn({ fixed: 'hunter2', turning: `secret-${turn}` })
    expect(secrets.redactText('hunter2 secret-29 secret-0x')).toBe('[redacted] [redacted] secret-0x')
  })

  test('of a secret object hides the keys, too', () => {
    const secrets = createSecrets([['tokens']])
    secrets.learn({ tokens: { hunter2: true } })
    expect(secrets.redactText('Unrecognized key: "hunter2"')).toBe('Unrecognized key: "[redacted]"')
    expect(secrets.cutPath(['tokens', 'hunter2'])).toEqual(['tokens'])
    expect(secrets.cutPath(['other', 'hunter2'])).toEqual(['other', 'hunter2'])
  })
})

describe('a secret of a config', () => {
  const secret = 'hunter2-hunter2'
  const leaky = z.object({
    token: z.string().superRefine((token, context) => {
      if (token.endsWith('!')) context.addIssue({ code: 'custom', message: `${token} ends with a bang` })
      if (token.endsWith('?')) throw new Error(`cannot check ${token}`)
    }),
    limit: z.number().default(1),
  })

  test('appears in no error, event, status or explanation', async () => {
    const clock = createFakeClock()
    const source = memorySource({ token: secret })
    const seen: unknown[] = []
    const config = await openConfig({
      schema: leaky,
      sources: [source],
      clock,
      secrets: ['token'],
      probation: {
        forMs: 1_000,
        failAfter: 1,
        healthy: async () => Promise.reject(new Error(`401 for ${secret}`)),
      },
    })
    const log = logOf(config)
    for (const event of [
      'applied',
      'rejected',
      'rolledBack',
      'disposeFailed',
      'sourceFailed',
      'proven',
    ] as const)
      config.on(event, (told: unknown) => {
        seen.push(told)
      })
    await config.derive({
      name: 'client',
      select: (value) => value.limit,
      open: async (limit) => {
        if (limit === 2)
          throw new Error('connect failed', { cause: new Error(`Bearer ${config.value.token}`) })
        return { close: () => Promise.reject(new Error(`logout of ${config.value.token}`)) }
      },
    })
    for (const next of [
      { token: `${secret}!` },
      { token: `${secret}?` },
      { token: secret, limit: 2 },
      { token: secret, limit: 3 },
      { token: { nested: secret } },
    ]) {
      source.set(next)
      await clock.advance(5_000)
      seen.push(
        config.status(),
        config.explain('token'),
        config.explain(['token', 'nested']),
        config.stats?.(),
      )
    }
    source.fail(new Error(`the URL has ${secret} in it`))
    await clock.advance(5_000)
    seen.push(config.status())
    const shown = inspect(seen, { depth: 12, maxStringLength: null, maxArrayLength: null, showHidden: true })
    expect(log).toContain('rejected CONFIG_INVALID')
    expect(log).toContain('rejected CONFIG_OPEN_FAILED')
    expect(log).toContain('sourceFailed memory CONFIG_UNREACHABLE')
    expect(log).toContain('disposeFailed client')
    expect(shown).toContain('[redacted] ends with a bang')
    expect(shown).not.toContain('hunter2')
    await config.close()
  })

  test('does not appear where a schema moved it, nor as a key, nor in the paths that changed', async () => {
    const moving = z
      .object({
        password: z.string().trim(),
        tokens: z.strictObject({ hunter3: z.boolean().optional() }).default({}),
      })
      .transform(({ password, tokens }) => ({
        tokens,
        dsn: `pg://u:${password}@h`,
        url: new URL(`http://u:${password}@h`),
      }))
    const clock = createFakeClock()
    const source = memorySource({ password: ' hunter2 ', tokens: { hunter3: true } })
    const config = await openConfig({
      schema: moving,
      sources: [source],
      clock,
      secrets: ['password', 'tokens'],
    })
    const seen: unknown[] = [config.explain('dsn'), config.explain('url')]
    for (const event of ['applied', 'rejected'] as const)
      config.on(event, (told: unknown) => {
        seen.push(told)
      })
    const failing = config.derive({
      name: 'pool',
      select: ({ dsn }) => dsn,
      open: (dsn) => Promise.reject(new Error(`cannot dial ${dsn}`)),
    })
    seen.push(await failing.catch((error: unknown) => error))
    source.set({ password: 'x', tokens: {} })
    await clock.advance(1_000)
    source.set({ password: 'x', tokens: { hunter4: true } })
    await clock.advance(1_000)
    const shown = inspect(seen, { depth: 12, showHidden: true, maxStringLength: null })
    expect(seen[3]).toMatchObject({ changed: ['password', 'tokens'] })
    expect(seen[4]).toMatchObject({ error: { fields: { issues: [{ path: 'tokens' }] } } })
    expect(shown).not.toMatch(/hunter[234]/)
    await config.close()
  })

  test('appears in no error at boot', async () => {
    const opening = openConfig({
      schema: leaky,
      sources: [memorySource({ token: `${secret}!` })],
      secrets: ['token'],
    })
    const error = await opening.catch((failure: unknown) => failure)
    expect(inspect(error, { depth: 12, showHidden: true })).not.toContain('hunter2')
  })
})
