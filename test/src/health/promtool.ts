import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { debianPackages } from '../support/debian.ts'

/** Path of `promtool`: the one on the PATH, else Debian's; undefined, loudly, where it cannot be had. Throws when CI=true. */
export function findPromtool(): string | undefined {
  const onPath = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'promtool'))
  const installed = onPath.find(existsSync)
  if (installed) return installed
  const unpacked = debianPackages('prometheus', ['prometheus'])
  return unpacked && join(unpacked, 'usr/bin/promtool')
}
