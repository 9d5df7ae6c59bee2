// Usage: node tools/bootstrap.mjs [--build] COMMAND [ARGUMENT ...]
//
// Makes a fresh clone ready with nothing but Node, npm and git, then runs the
// command with the workspace's own tools first on the PATH. What is already
// there is not done again, so the second time is quick.
import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const cache = join(root, '.cache')
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const pnpmVersion = manifest.packageManager.split('@')[1]
const pnpmFolder = join(cache, `pnpm-${pnpmVersion}`)
const environment = toolEnvironment()

requireNode()
const build = process.argv[2] === '--build'
const [command, ...commandArguments] = process.argv.slice(build ? 3 : 2)
if (command === undefined) fail('bootstrap: name the command to run')

installPnpm()
installPackages()
if (build) {
  must('node', ['tools/arrows.mjs'], 'An import points the wrong way.')
  must('tsc', ['-b'], 'The build failed.')
}
process.exitCode = run(command, commandArguments)

function requireNode() {
  const [major, minor] = process.versions.node.split('.').map(Number)
  if (major < 20 || (major === 20 && minor < 19))
    fail(`holdfast needs Node 20.19 or later, this is ${process.version}`)
}

function installPnpm() {
  if (existsSync(join(pnpmFolder, 'node_modules', '.bin', 'pnpm'))) return
  say(`Installing pnpm ${pnpmVersion} into .cache …`)
  rmSync(pnpmFolder, { recursive: true, force: true })
  mkdirSync(pnpmFolder, { recursive: true })
  const flags = ['--no-save', '--no-audit', '--no-fund', '--silent', '--prefix', pnpmFolder]
  must(
    'npm',
    ['install', ...flags, `pnpm@${pnpmVersion}`],
    'npm could not install pnpm. Is the registry in reach?',
  )
}

function installPackages() {
  const stampFile = join(root, 'node_modules', '.holdfast-installed')
  const stamp = manifestsHash()
  if (existsSync(stampFile) && readFileSync(stampFile, 'utf8') === stamp) return
  say('Installing the packages …')
  const started = run('pnpm', ['install', '--frozen-lockfile', '--reporter=append-only'], { quiet: true })
  if (started !== 0) must('pnpm', ['install', '--frozen-lockfile'], 'pnpm could not install the packages.')
  writeFileSync(stampFile, stamp)
}

/** Changes whenever an install could give something else, another Node included. */
function manifestsHash() {
  const hash = createHash('sha256').update(process.version)
  const folders = ['packages', 'examples'].flatMap((parent) =>
    readdirSync(join(root, parent)).map((name) => join(parent, name)),
  )
  const files = ['.', 'test', 'bench', ...folders].map((folder) => join(folder, 'package.json'))
  for (const file of ['pnpm-lock.yaml', 'pnpm-workspace.yaml', ...files.sort()]) {
    if (existsSync(join(root, file))) hash.update(file).update(readFileSync(join(root, file)))
  }
  return hash.digest('hex')
}

/** npm hands its own settings down as npm_*; pnpm would read them as its own. Only what reaches the registry is kept. */
function toolEnvironment() {
  const kept = /^npm_config_(registry|.*proxy|cafile|strict_ssl|userconfig)$/i
  const inherited = Object.entries(process.env).filter(([name]) => !/^npm_/i.test(name) || kept.test(name))
  const bins = [join(root, 'node_modules', '.bin'), join(pnpmFolder, 'node_modules', '.bin')]
  const path = [...bins, process.env.PATH].join(delimiter)
  return { ...Object.fromEntries(inherited), PATH: path }
}

function must(name, args, problem) {
  const status = run(name, args)
  if (status !== 0) fail(problem, status)
}

function run(name, args, { quiet = false } = {}) {
  const stdio = quiet ? ['ignore', 'ignore', 'inherit'] : 'inherit'
  const { status, signal, error } = spawnSync(name, args, { cwd: root, env: environment, stdio })
  if (error) say(`${name}: ${error.message}`)
  return status ?? (signal ? 130 : 1)
}

function say(line) {
  console.error(line)
}

function fail(problem, status = 1) {
  say(problem)
  process.exit(status)
}
