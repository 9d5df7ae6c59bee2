import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join, relative } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, expect, test } from 'vitest'
import { packageNames, root } from './support/workspace.ts'

// Every fenced `ts` block of the documentation is a module: it is type-checked against the
// built packages and run in an empty folder, and prints what its `// => …` comments say.
// `ts no-run` is only type-checked.

interface Block {
  name: string
  where: string
  runs: boolean
  source: string
  prints: string[]
}

const run = promisify(execFile)
const folder = join(root, 'test/.docs')
const blocks = documents().flatMap(blocksOf)

beforeAll(async () => {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(join(folder, 'src'), { recursive: true })
  for (const { name, source } of blocks) writeFileSync(join(folder, 'src', `${name}.ts`), source)
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(compilation))
}, 120_000)

const compilation = {
  extends: '../../tsconfig.base.json',
  compilerOptions: {
    rootDir: 'src',
    outDir: 'out',
    customConditions: [],
    composite: false,
    declarationMap: false,
    isolatedDeclarations: false,
    noUnusedLocals: false,
    noUnusedParameters: false,
  },
  include: ['src'],
}

test('the documentation holds code', () => {
  expect(blocks.length).toBeGreaterThan(5)
})

test('every block type-checks', async () => {
  const problems = await run(join(root, 'node_modules/.bin/tsc'), ['-p', folder], { cwd: root }).then(
    () => '',
    ({ stdout, stderr }: { stdout: string; stderr: string }) => stdout + stderr,
  )
  expect(problems).toBe('')
}, 60_000)

test.each(blocks.filter((block) => block.runs))(
  '$where runs',
  async ({ name, prints }) => {
    const cwd = mkdtempSync(join(tmpdir(), 'holdfast-docs-'))
    try {
      const program = join(folder, 'out', `${name}.js`)
      const { stdout } = await run(process.execPath, [program], {
        cwd,
        timeout: 20_000,
        killSignal: 'SIGKILL',
      })
      const printed = stdout.split('\n')
      const heard = prints.filter((line) => printed.includes(line))
      expect(heard, stdout).toEqual(prints)
    } finally {
      rmSync(cwd, { recursive: true, force: true })
    }
  },
  30_000,
)

function documents(): string[] {
  const readmes = ['packages', 'examples'].flatMap((parent) =>
    readdirSync(join(root, parent)).map((name) => join(root, parent, name, 'README.md')),
  )
  const pages = readdirSync(join(root, 'docs')).filter((name) => name.endsWith('.md'))
  return [join(root, 'README.md'), ...readmes, ...pages.map((name) => join(root, 'docs', name))].filter(
    existsSync,
  )
}

function blocksOf(document: string): Block[] {
  const lines = readFileSync(document, 'utf8').split('\n')
  const found: Block[] = []
  for (let start = 0; start < lines.length; start += 1) {
    const fence = /^```ts( no-run)?\s*$/.exec(lines[start] ?? '')
    if (!fence) continue
    const end = lines.indexOf('```', start)
    const code = lines.slice(start + 1, end)
    const where = `${relative(root, document)}:${start + 2}`
    found.push({
      where,
      name: `${relative(root, document).replace(/[^A-Za-z0-9]+/g, '-')}-${start + 2}`,
      runs: fence[1] === undefined,
      // Blank lines in front keep the document's own line numbers in the compiler's messages.
      source: `${'\n'.repeat(start + 1)}${code.join('\n')}\nexport {}\n`,
      prints: code.flatMap((line) => /\/\/ => (.*)$/.exec(line)?.[1]?.trimEnd() ?? []),
    })
    start = end
  }
  return found
}

test('every package has a README whose first example runs', () => {
  for (const name of packageNames) {
    const own = blocks.filter(({ where }) => where.startsWith(`packages/${name}/${basename('README.md')}`))
    expect(own.filter((block) => block.runs).length, name).toBeGreaterThan(0)
  }
})
