import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

// What kubelet does to a mounted ConfigMap, as fast as it is told to: FOLDER VERSIONS PAUSE_MS.
// Fill a new folder, point `..data` to it in one rename, remove the folder before
// (pkg/volume/util/atomic_writer.go). Every key holds the version; odd versions have one key more.

const [folder = '', versions = '', pauseMs = ''] = process.argv.slice(2)
let before: string | undefined

for (let version = 1; version <= Number(versions); version += 1) {
  const target = `..2026_11_23_${process.pid}.${version}`
  mkdirSync(join(folder, target))
  const keys = Array.from({ length: 12 }, (_, index) => `key-${index}`)
  if (version % 2 === 1) keys.push('odd')
  for (const key of keys) writeFileSync(join(folder, target, key), String(version))
  symlinkSync(target, join(folder, '..data_tmp'))
  renameSync(join(folder, '..data_tmp'), join(folder, '..data'))
  if (version === 1) for (const key of [...keys, 'odd']) link(key)
  if (before) rmSync(join(folder, before), { recursive: true })
  before = target
  await sleep(Number(pauseMs))
}

function link(key: string): void {
  try {
    symlinkSync(join('..data', key), join(folder, key))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
  }
}
