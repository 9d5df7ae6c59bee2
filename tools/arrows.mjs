// Checks the direction of the arrows between the packages, and that each stays
// small: part of every build. Prints how many imports it looked at.
import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

/** What each package may import of the others. A feature never imports a feature or an adapter. */
const mayImport = {
  core: [],
  coordination: ['core'],
  etcd: ['core', 'coordination'],
  lease: ['core', 'coordination'],
  config: ['core', 'coordination'],
  queue: ['core'],
  uplink: ['core'],
  health: ['core'],
  snapshot: ['core'],
  oci: ['core', 'snapshot'],
  s3: ['core', 'snapshot'],
  agent: ['core'],
  recovery: ['core'],
}
/** Libraries that one file alone may import, so that they can be replaced there. */
const onlyIn = {
  nanoevents: 'packages/core/src/events.ts',
  'p-retry': 'packages/core/src/retry.ts',
}
const mostDependencies = 4

const problems = []
let imports = 0
for (const name of readdirSync(join(root, 'packages'))) checkPackage(name)

if (imports === 0) problems.push('no import was found: the check itself is broken')
for (const problem of problems) console.error(problem)
if (problems.length > 0) process.exit(1)
if (process.argv.includes('--verbose')) console.log(`arrows: ${imports} imports, all downward`)

function checkPackage(name) {
  const allowed = mayImport[name]
  if (!allowed) return problems.push(`packages/${name}: not in the table of tools/arrows.mjs`)
  const folder = join(root, 'packages', name)
  const manifest = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
  const dependencies = Object.keys(manifest.dependencies ?? {})
  if (dependencies.length > mostDependencies + allowed.length)
    problems.push(`packages/${name}: ${dependencies.length} runtime dependencies`)
  for (const dependency of dependencies) checkTarget(`packages/${name}/package.json`, name, dependency)
  for (const entry of readdirSync(join(folder, 'src'), { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !entry.name.endsWith('.ts')) continue
    const file = join(entry.parentPath, entry.name)
    for (const target of importsOf(readFileSync(file, 'utf8')))
      checkImport(relative(root, file), name, target, folder)
  }
}

function checkImport(file, name, target, folder) {
  imports += 1
  const isTest = /\.test\./.test(file) || file.includes('/testing/')
  if (target.startsWith('.')) {
    const path = relative(join(folder, 'src'), join(root, file, '..', target))
    if (path.startsWith('..')) problems.push(`${file}: '${target}' leaves its package`)
    if (!isTest && path.startsWith('testing/'))
      problems.push(`${file}: production code opens the testing door`)
    return
  }
  if (onlyIn[target] && onlyIn[target] !== file)
    problems.push(`${file}: '${target}' is for ${onlyIn[target]} alone`)
  if (!isTest && /^@holdfast\/[a-z0-9]+\/testing$/.test(target))
    problems.push(`${file}: production code opens the testing door`)
  checkTarget(file, name, target)
}

function checkTarget(file, name, target) {
  const other = /^@holdfast\/([a-z0-9]+)/.exec(target)?.[1]
  if (other && other !== name && !mayImport[name].includes(other))
    problems.push(`${file}: @holdfast/${name} may not import @holdfast/${other}`)
}

function* importsOf(source) {
  const code = source.replace(/\/\*[\s\S]*?\*\//g, '').replace(/^\s*\/\/.*$/gm, '')
  for (const [, target] of code.matchAll(/(?:^|[;}\n])\s*(?:import|export)\b[^'"`;]*?from\s*'([^']+)'/g))
    yield target
  for (const [, target] of code.matchAll(/\bimport\(?\s*'([^']+)'/g)) yield target
}
