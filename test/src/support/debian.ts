import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { root } from './workspace.ts'

const cache = join(root, '.cache')

/**
 * The folder of these Debian packages' files, unpacked without root and once for all runs;
 * undefined, loudly, where they cannot be had. Throws when CI=true.
 *
 * `withMissing` brings also what they depend on and this machine has not installed.
 */
export function debianPackages(
  name: string,
  packages: readonly string[],
  { withMissing = false } = {},
): string | undefined {
  const unpacked = join(cache, name)
  try {
    if (!existsSync(unpacked)) fetchTo(unpacked, packages, withMissing)
    return unpacked
  } catch (error) {
    if (process.env['CI'] === 'true') throw error
    console.warn(`SKIPPED: tests that need ${packages.join(', ')}: ${String(error)}`)
    return undefined
  }
}

/** Unpacks beside the goal and renames, so that a run that was stopped, or two at once, leave no half. */
function fetchTo(goal: string, packages: readonly string[], withMissing: boolean): void {
  mkdirSync(cache, { recursive: true })
  const work = mkdtempSync(join(cache, 'debian-fetch-'))
  try {
    for (const folder of ['lists/partial', 'cache/archives/partial', 'debs', 'root'])
      mkdirSync(join(work, folder), { recursive: true })
    const apt = (cwd: string, ...args: string[]): string => {
      const state = [
        '-o',
        `Dir::State::lists=${join(work, 'lists')}`,
        '-o',
        `Dir::Cache=${join(work, 'cache')}`,
      ]
      const options = ['-qq', ...state, '-o', 'Debug::NoLocking=1', '-o', 'APT::Sandbox::User=']
      return execFileSync('apt-get', [...options, ...args], {
        cwd,
        timeout: 120_000,
        encoding: 'utf8',
        stdio: 'pipe',
      })
    }
    apt(work, 'update')
    const needed = withMissing
      ? installed(apt(work, '--simulate', '--no-install-recommends', 'install', ...packages))
      : packages
    apt(join(work, 'debs'), 'download', ...needed)
    for (const file of readdirSync(join(work, 'debs')))
      execFileSync('dpkg-deb', ['-x', join(work, 'debs', file), join(work, 'root')])
    publish(join(work, 'root'), goal)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

/** What apt would install, as it says when it only simulates. */
function installed(simulation: string): string[] {
  return [...simulation.matchAll(/^Inst (\S+)/gm)].map(([, name]) => name!)
}

/** Whoever is first wins: what another run has put there may be in use by now. */
function publish(folder: string, goal: string): void {
  try {
    renameSync(folder, goal)
  } catch (error) {
    if (!existsSync(goal)) throw error
  }
}

/** Runs one of the unpacked programs with its own libraries and returns what it printed. */
export function runUnpacked(folder: string, program: string, args: readonly string[], home: string): string {
  const { status, stdout, stderr, error } = spawnSync(join(folder, 'usr/bin', program), args, {
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, HOME: home, LD_LIBRARY_PATH: join(folder, 'usr/lib/x86_64-linux-gnu') },
  })
  if (error) throw error
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} ended with ${status}: ${stderr}`)
  return stdout
}
