import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { root } from '../support/workspace.ts'

const unpacked = join(root, '.cache/prometheus')

/** Path of `promtool`: the one on the PATH, else Debian's, unpacked into .cache without touching the system; undefined where it cannot be had. */
export function findPromtool(): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), join(unpacked, 'usr/bin')]
  const find = (): string | undefined => folders.map((folder) => join(folder, 'promtool')).find(existsSync)
  return find() ?? (fetchPrometheus() ? find() : undefined)
}

/** Unpacks beside the goal and renames, so that two at once, or one that was stopped, leave no half. */
function fetchPrometheus(): boolean {
  mkdirSync(join(root, '.cache'), { recursive: true })
  const work = mkdtempSync(join(root, '.cache/prometheus-fetch-'))
  try {
    for (const folder of ['lists/partial', 'cache/archives/partial', 'debs', 'root'])
      mkdirSync(join(work, folder), { recursive: true })
    const flags = [
      '-qq',
      ...[
        `Dir::State::lists=${work}/lists`,
        `Dir::Cache=${work}/cache`,
        'Debug::NoLocking=1',
        'APT::Sandbox::User=',
      ].flatMap((option) => ['-o', option]),
    ]
    const fetched =
      run('apt-get', [...flags, 'update'], work) &&
      run('apt-get', [...flags, 'download', 'prometheus'], join(work, 'debs'))
    const debs = fetched ? readdirSync(join(work, 'debs')) : []
    const whole =
      debs.length > 0 &&
      debs.every((deb) => run('dpkg-deb', ['-x', join(work, 'debs', deb), join(work, 'root')], work))
    if (whole && !existsSync(unpacked)) renameSync(join(work, 'root'), unpacked)
    return whole
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function run(command: string, args: string[], cwd: string): boolean {
  return spawnSync(command, args, { cwd, timeout: 60_000 }).status === 0
}
