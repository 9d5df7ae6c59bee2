// Usage: node tools/debian.mjs NAME PACKAGE ...
//
// Prints the folder that holds these Debian packages' files: .cache/NAME, unpacked
// once, as any user, with nothing installed on the system. Exits with 1 and says why
// where they cannot be had.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const cache = join(fileURLToPath(new URL('..', import.meta.url)), '.cache')
const [name, ...packages] = process.argv.slice(2)

try {
  const unpacked = join(cache, name)
  if (!existsSync(unpacked)) fetchTo(unpacked)
  console.log(unpacked)
} catch (error) {
  console.error(
    `${packages.join(', ')} could not be fetched: ${String(error.stderr || error.message).trim()}`,
  )
  process.exitCode = 1
}

/** Unpacks beside the goal and renames, so that a run that was stopped, or two at once, leave no half. */
function fetchTo(goal) {
  mkdirSync(cache, { recursive: true })
  const work = mkdtempSync(join(cache, 'debian-fetch-'))
  try {
    for (const folder of ['lists/partial', 'cache/archives/partial', 'debs', 'root'])
      mkdirSync(join(work, folder), { recursive: true })
    const state = [
      '-o',
      `Dir::State::lists=${join(work, 'lists')}`,
      '-o',
      `Dir::Cache=${join(work, 'cache')}`,
    ]
    // No second user: the folder may lie where `_apt` cannot read.
    const options = ['-qq', ...state, '-o', 'Debug::NoLocking=1', '-o', 'APT::Sandbox::User=']
    run('apt-get', [...options, 'update'], work)
    run('apt-get', [...options, 'download', ...packages], join(work, 'debs'))
    for (const file of readdirSync(join(work, 'debs')))
      run('dpkg-deb', ['-x', join(work, 'debs', file), join(work, 'root')], work)
    publish(join(work, 'root'), goal)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** Whoever is first wins: what another run has put there may be in use by now. */
function publish(folder, goal) {
  try {
    renameSync(folder, goal)
  } catch (error) {
    if (!existsSync(goal)) throw error
  }
}

function run(command, args, cwd) {
  execFileSync(command, args, { cwd, encoding: 'utf8', timeout: 120_000, stdio: 'pipe' })
}
