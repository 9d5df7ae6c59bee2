// Usage: node tools/etcd.mjs
//
// Prints the folder that holds `etcd` and `etcdctl`: the one on the PATH, else
// Debian's packages, unpacked without root into .cache/etcd and without touching
// the system. What is already there is not fetched again. Exits with 1 and says
// why where etcd cannot be had.
import { spawnSync } from 'node:child_process'
import { accessSync, constants, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const cache = join(fileURLToPath(new URL('..', import.meta.url)), '.cache')
const unpacked = join(cache, 'etcd')
const binaries = join(unpacked, 'usr', 'bin')
const packages = ['etcd-server', 'etcd-client']

try {
  console.log(installed() ?? fetched())
} catch (error) {
  console.error(`etcd is not on the PATH and could not be fetched: ${error.message}`)
  process.exitCode = 1
}

function installed() {
  return [...(process.env.PATH ?? '').split(delimiter), binaries].find(
    (folder) => folder !== '' && ['etcd', 'etcdctl'].every((name) => isExecutable(join(folder, name))),
  )
}

function isExecutable(file) {
  try {
    accessSync(file, constants.X_OK)
    return true
  } catch {
    return false // It is not there, or not for us: the next folder is tried.
  }
}

/** Unpacks beside the goal and renames, so that a run that was stopped, or two at once, leave no half. */
function fetched() {
  mkdirSync(cache, { recursive: true })
  const work = mkdtempSync(join(cache, 'etcd-fetch-'))
  try {
    const parts = Object.fromEntries(
      ['lists/partial', 'cache/archives/partial', 'debs', 'root'].map((name) => {
        const folder = join(work, name)
        mkdirSync(folder, { recursive: true })
        return [name.split('/')[0], folder]
      }),
    )
    const apt = ['-qq', '-o', `Dir::State::lists=${join(work, 'lists')}`, '-o', `Dir::Cache=${parts.cache}`]
    // No second user: the folder may lie where `_apt` cannot read.
    const flags = [...apt, '-o', 'Debug::NoLocking=1', '-o', 'APT::Sandbox::User=']
    run('apt-get', [...flags, 'update'], work)
    run('apt-get', [...flags, 'download', ...packages], parts.debs)
    for (const file of readdirSync(parts.debs))
      run('dpkg-deb', ['-x', join(parts.debs, file), parts.root], work)
    publish(parts.root)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return installed() ?? fail(`Debian's packages ${packages.join(' and ')} hold no etcd`)
}

/** Whoever is first wins: what another run has put there may be running by now. */
function publish(root) {
  if (installed()) return
  try {
    renameSync(root, unpacked)
  } catch (error) {
    if (installed()) return
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error
    rmSync(unpacked, { recursive: true, force: true })
    renameSync(root, unpacked)
  }
}

function run(command, args, cwd) {
  const { status, error, stderr } = spawnSync(command, args, { cwd, encoding: 'utf8', timeout: 120_000 })
  if (error) fail(error.code === 'ENOENT' ? `${command} is needed (Debian or a child of it)` : error.message)
  if (status !== 0) fail(`${command} ${args.at(-1)} ended with ${status}: ${stderr.trim()}`)
}

function fail(problem) {
  throw new Error(problem)
}
