import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { toDocument } from '../document.ts'
import { parseToml } from '../toml.ts'
import { parseYaml } from '../yaml.ts'
import { parseJson } from './json.ts'
import { withoutQuotes } from './parse.ts'

const secret = 'hunter2'

function messageOf(parse: () => unknown): string {
  try {
    parse()
  } catch (error) {
    expect(error).toBeInstanceOf(SyntaxError)
    expect((error as Error).cause).toBeUndefined()
    return (error as Error).message
  }
  throw new Error('it was parsed')
}

describe('parseJson', () => {
  test.each([
    ['{"token": hunter2}', 'line 1, column 11'],
    ['{\n  "a": 1,\n}', 'line 3, column 1'],
    ['{"a": 1', 'line 1, column 8'],
    ['[1, 2', 'line 1, column 6'],
    ['{"a" 1}', 'line 1, column 6'],
    ['{"a": 1} x', 'line 1, column 10'],
    ['{"a": [1}', 'line 1, column 9'],
    ['{"a": "line\nbreak"}', 'line 1, column 7'],
    ['{"a": 01}', 'line 1, column 8'],
    ["{'a': 1}", 'line 1, column 2'],
    ['nope', 'line 1, column 1'],
    ['[1,]', 'line 1, column 4'],
  ])('tells the place in %j and nothing more', (text, place) => {
    expect(messageOf(() => parseJson(text))).toBe(`is not valid JSON at ${place}`)
  })

  test('takes a text of nothing but space for no document', () => {
    for (const text of ['', ' \n\t']) expect(parseJson(text)).toBeUndefined()
  })

  test('finds no fault before the end of any prefix of valid JSON', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 3 }), fc.nat(), (text, at) => {
        const prefix = text.slice(0, at % text.length)
        const isWhole = (() => {
          try {
            return JSON.parse(prefix) !== undefined
          } catch {
            return false
          }
        })()
        if (prefix.trim() === '' || isWhole) return
        const column = Number(/column (\d+)$/.exec(messageOf(() => parseJson(prefix)))?.[1])
        // A token that was cut is where it begins; everything before it was fine.
        expect(text.startsWith(prefix.slice(0, column - 1))).toBe(true)
        expect(prefix.length - column).toBeLessThanOrEqual(
          Math.max(...text.split(/[,:[\]{}]/).map((part) => part.length), 0) + 64,
        )
      }),
    )
  })
})

test("a foreign parser's message is shown without what it quotes", () => {
  expect(
    withoutQuotes(`Unexpected token 'h', ..."en": ${secret}, "a"... is not`, `{"token": ${secret}, "a": 1}`),
  ).toBe(`Unexpected … 'h', ..."…... is not`)
  expect(withoutQuotes('no section named x at line 3', '[a]\nb=1')).toBe('no section named x at line 3')
  expect(withoutQuotes("cannot read 'ab' here", 'ab')).toBe("cannot read '…' here")
  fc.assert(
    fc.property(fc.string({ minLength: 4 }), fc.string(), fc.string(), (quoted, before, after) => {
      const shown = withoutQuotes(`${before}${quoted}${after}`.slice(0, 300), `x${quoted}y`)
      if (!before.includes(quoted.slice(0, 4)) && !after.includes(quoted)) expect(shown).not.toContain(quoted)
    }),
  )
})

describe('parseYaml', () => {
  test('reads plain data, and nothing for no document', () => {
    expect(parseYaml('a: 1\nb: [yes, 2026-01-01]\n')).toEqual({ a: 1, b: ['yes', '2026-01-01'] })
    for (const text of ['', '# only a comment\n', '---\n', 'null']) expect(parseYaml(text)).toBeUndefined()
  })

  test.each([
    `token: ${secret}\ntoken: other\n`,
    `token: "${secret}\n`,
    `a: *${secret}\n`,
    `a: !${secret} b\n  c: d\n`,
    `a: b: ${secret}\n`,
    `%${secret}\n---\na: 1\n--- \nb: 2\n`,
  ])('quotes nothing of %j', (text) => {
    expect(messageOf(() => parseYaml(text))).not.toContain(secret)
  })

  test('refuses an alias bomb', () => {
    const levels = Array.from({ length: 9 }, (_, level) => {
      const item = level === 0 ? '"lol"' : `*a${level - 1}`
      return `a${level}: &a${level} [${Array(9).fill(item).join(',')}]`
    })
    expect(messageOf(() => parseYaml(levels.join('\n')))).toContain('aliases')
  })

  test('knows no tags, and no prototype', () => {
    expect(() => toDocument('yaml', parseYaml('a: !!js/function "x"'))).not.toThrow()
    expect(() => toDocument('yaml', parseYaml('__proto__: { polluted: true }'))).toThrow('__proto__')
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })

  test('refuses what JSON does not know', () => {
    expect(() => toDocument('yaml', parseYaml('a: .nan'))).toThrow(
      'a must be a value that JSON knows, got NaN',
    )
  })
})

describe('parseToml', () => {
  test('reads plain data, dates as their text, and nothing for no document', () => {
    expect(parseToml('a = 1\n[b]\nc = 2026-01-02\n[[d]]\ne = true\n')).toEqual({
      a: 1,
      b: { c: '2026-01-02' },
      d: [{ e: true }],
    })
    expect(parseToml(' \n')).toBeUndefined()
  })

  test.each([`token = ${secret}`, `token = "${secret}`, `token = "a"\ntoken = "${secret}"`])(
    'quotes nothing of %j',
    (text) => {
      expect(messageOf(() => parseToml(text))).toMatch(/^is not valid TOML at line \d+, column \d+$/)
    },
  )
})
