import { join } from 'node:path'
import { levelDb, type Repository } from '@holdfast/snapshot'
import type { Backup } from './plan.ts'

const name = 'critical-db'

/** Copies the database's state while it works. */
export function backUp(repository: Repository, folder: string, tags: Record<string, string>) {
  return repository.backup(levelDb(join(folder, name)), { name, tags })
}

/** The newest snapshot of the database. */
export function snapshotBackup(repository: Repository): Backup {
  return {
    verify: async (signal) => repository.verify(await newest(), { level: 'data', signal }),
    restore: async (folder, signal) =>
      repository.restore(await newest(), folder, { overwrite: 'replace', signal }),
  }

  async function newest() {
    const snapshot = (await repository.list({ name })).at(-1)
    if (!snapshot) throw new Error('there is no snapshot of the database')
    return snapshot
  }
}
