import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { packageNames, root } from './support/workspace.ts'

// What a user installs is the packed tarball, so that is what is checked: its metadata,
// its types, and that every door opens in an empty project.

const run = promisify(execFile)
const folder = mkdtempSync(join(tmpdir(), 'holdfast-tarballs-'))
const tarballOf = (name: string): string => join(folder, `holdfast-${name}-0.0.0.tgz`)

beforeAll(async () => {
  for (const name of packageNames)
    await run('pnpm', ['pack', '--pack-destination', folder], { cwd: join(root, 'packages', name) })
}, 120_000)

afterAll(() => rmSync(folder, { recursive: true, force: true }))

test.each(packageNames)(
  '%s: the metadata and the types of its tarball are right',
  async (name) => {
    const data = readFileSync(tarballOf(name))
    const { messages, pkg } = await publint({
      pack: { tarball: toArrayBuffer(data) },
      strict: true,
      level: 'warning',
    })
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([])
    const checked = await checkPackage(createPackageFromTarballData(new Uint8Array(data)))
    if (!checked.types) throw new Error(`${name}: the tarball has no types`)
    const problems = checked.problems.filter((problem) => !isOfOldResolution(problem))
    expect(problems).toEqual([])
  },
  60_000,
)

test('the tarballs hold no tests, no sources and no names of a machine', async () => {
  for (const name of packageNames) {
    const { stdout } = await run('tar', ['-tzf', tarballOf(name)])
    const files = stdout.trim().split('\n')
    expect(files).toContain('package/README.md')
    expect(files.filter((file) => /\.test\.|\/src\/|tsbuildinfo|\.map$/.test(file))).toEqual([])
  }
})

test('installed in an empty project, every door opens and its types compile', async () => {
  const project = join(folder, 'project')
  mkdirSync(project)
  writeFileSync(
    join(project, 'package.json'),
    JSON.stringify({ name: 'empty', private: true, type: 'module' }),
  )
  const npm = [
    'install',
    '--no-audit',
    '--no-fund',
    '--ignore-scripts',
    '--prefer-offline',
    '--loglevel=error',
  ]
  await run('npm', [...npm, ...packageNames.map(tarballOf)], { cwd: project })
  const doors = packageNames.flatMap((name) => doorsOf(join(project, 'node_modules/@holdfast', name)))
  const optional = readdirSync(join(project, 'node_modules'))
  const open = doors.filter((door) => !needsPeer(project, door, optional))
  const program = open.map(
    (door, at) => `import * as door${at} from '${door}'\nexport const a${at}: object = door${at}\n`,
  )
  writeFileSync(join(project, 'main.ts'), program.join(''))
  const flags = [
    '--module',
    'nodenext',
    '--target',
    'es2023',
    '--strict',
    '--lib',
    'es2023,esnext.disposable',
  ]
  const types = ['--types', 'node', '--typeRoots', join(root, 'node_modules/@types')]
  await run(join(root, 'node_modules/.bin/tsc'), [...flags, ...types, 'main.ts'], { cwd: project }).catch(
    (error) => {
      throw new Error(error.stdout)
    },
  )
  const { stdout } = await run(
    process.execPath,
    ['-e', `import('./main.js').then((m) => console.log(Object.keys(m).length))`],
    { cwd: project },
  )
  expect(Number(stdout)).toBe(open.length)
  expect(open.length).toBeGreaterThanOrEqual(packageNames.length)
}, 180_000)

/** A door that stands on an optional peer, such as a test runner, opens only where that is installed. */
function needsPeer(project: string, door: string, installed: readonly string[]): boolean {
  const name = door.split('/').slice(0, 2).join('/')
  const manifest = JSON.parse(readFileSync(join(project, 'node_modules', name, 'package.json'), 'utf8'))
  const peers = Object.keys(manifest.peerDependencies ?? {}).map((peer) => peer.split('/')[0] as string)
  return door !== name && peers.some((peer) => !installed.includes(peer))
}

function doorsOf(installed: string): string[] {
  const manifest = JSON.parse(readFileSync(join(installed, 'package.json'), 'utf8'))
  return Object.keys(manifest.exports).map((door) => manifest.name + door.slice(1))
}

/** The packages are ESM only and need `exports`: resolutions that know neither are not promised. */
function isOfOldResolution(problem: { kind: string; resolutionKind?: string }): boolean {
  return problem.kind === 'CJSResolvesToESM' || problem.resolutionKind === 'node10'
}

function toArrayBuffer(data: Buffer): ArrayBuffer {
  return data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength) as ArrayBuffer
}
