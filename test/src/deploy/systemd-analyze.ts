import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { debianPackages } from '../support/debian.ts'

export type Verify = (unit: string) => { readonly status: number | null; readonly said: string }

/**
 * `systemd-analyze verify`: the one on the PATH, else Debian's; undefined, loudly, where it cannot
 * be had. Throws when CI=true. It exits with 0 on keys that it does not know, so what it says counts.
 */
export function findVerify(): Verify | undefined {
  const onPath = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'systemd-analyze'))
  const installed = onPath.find(existsSync)
  if (installed) return (unit) => verify(installed, {}, unit)
  const unpacked = debianPackages('systemd', ['systemd'], { withMissing: true })
  if (!unpacked) return undefined
  const libraries = join(
    unpacked,
    'usr/lib',
    process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu',
  )
  const LD_LIBRARY_PATH = [
    libraries,
    join(libraries, 'systemd'),
    join(unpacked, libraries.slice(unpacked.length + '/usr'.length)),
    join(unpacked, 'lib/systemd'),
  ].join(delimiter)
  return (unit) => verify(join(unpacked, 'usr/bin/systemd-analyze'), { LD_LIBRARY_PATH }, unit)
}

/** The programs of the unit are those of another machine: they are replaced by this Node. */
function verify(program: string, environment: Record<string, string>, unit: string): ReturnType<Verify> {
  const folder = mkdtempSync(join(tmpdir(), 'holdfast-unit-'))
  try {
    const file = join(folder, 'edge-agent.service')
    writeFileSync(file, unit.replaceAll('/usr/bin/node', process.execPath))
    const env = { ...process.env, ...environment }
    const { status, stdout, stderr } = spawnSync(program, ['verify', '--man=no', file], {
      encoding: 'utf8',
      env,
    })
    return { status, said: stdout + stderr }
  } finally {
    rmSync(folder, { recursive: true })
  }
}
