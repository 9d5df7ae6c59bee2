// node snapshot-crash.js JSON: one operation on a repository, killed at its n-th change of the file system.
import fs from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { directory, folderStore, openRepository } from '@holdfast/snapshot'

export interface CrashPlan {
  readonly operation: 'backup' | 'forget' | 'collect' | 'repack' | 'restore'
  readonly repository: string
  readonly source: string
  readonly target: string
  /** At which change it dies, from 1; and whether just before that or just after. */
  readonly change: number
  readonly when: 'before' | 'after'
}

const plan = JSON.parse(process.argv[2] ?? '') as CrashPlan
let changes = 0

type Call = (...given: unknown[]) => Promise<unknown>

/** The same call, which ends the process when its turn has come. */
function counted(call: Call, isChange: (given: unknown[]) => boolean = () => true): Call {
  return async function (this: unknown, ...given) {
    if (!isChange(given)) return call.apply(this, given)
    changes += 1
    if (changes === plan.change && plan.when === 'before') process.kill(process.pid, 'SIGKILL')
    const result = await call.apply(this, given)
    if (changes === plan.change) process.kill(process.pid, 'SIGKILL')
    return result
  }
}

const promises = fs.promises as unknown as Record<string, Call>
for (const name of [
  'mkdir',
  'rename',
  'link',
  'symlink',
  'unlink',
  'rm',
  'utimes',
  'lutimes',
  'chmod',
  'chown',
])
  promises[name] = counted(promises[name]!)
const probe = await fs.promises.open(process.argv[1]!, 'r')
const handle = Object.getPrototypeOf(probe) as Record<string, Call>
await probe.close()
for (const name of ['write', 'writev', 'sync', 'truncate', 'utimes', 'chmod', 'chown'])
  handle[name] = counted(handle[name]!)
promises['open'] = counted(promises['open']!, ([, flags]) => flags === 'wx')
syncBuiltinESMExports()

const repository = await openRepository(folderStore(plan.repository))
const newest = async () => (await repository.list()).at(-1)!
switch (plan.operation) {
  case 'backup':
    await repository.backup(directory(plan.source), { name: 'n', tags: { from: plan.source } })
    break
  case 'forget':
    await repository.forget({ keep: { last: 1 } })
    break
  case 'collect':
    await repository.collect()
    break
  case 'repack':
    await repository.repack()
    break
  case 'restore':
    await repository.restore(await newest(), plan.target, { overwrite: 'replace' })
}
await repository.close()
console.log(changes)
