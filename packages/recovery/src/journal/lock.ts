import { link, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { recoveryError } from '../errors.ts'

/** Who holds a lock. A process is told from a later one of the same number by when it started. */
interface Owner {
  readonly host: string
  readonly pid: number
  readonly startedTicks: string | undefined
  readonly nonce: string
}

let taken = 0

/**
 * Takes the lock file beside a journal, or throws `JOURNAL_LOCKED`.
 *
 * A lock whose process is dead is taken over; one of another host is not, for
 * nobody here can tell. Returns what gives it back.
 */
export async function takeLock(journal: string): Promise<() => Promise<void>> {
  const path = `${journal}.lock`
  taken += 1
  const nonce = `${process.pid}-${taken}-${performance.timeOrigin}`
  const own = { host: hostname(), pid: process.pid, startedTicks: await startOf(process.pid), nonce }
  const draft = `${path}.${nonce}`
  await writeFile(draft, `${JSON.stringify(own satisfies Owner)}\n`)
  try {
    while (!(await linked(draft, path))) await breakDeadLock(journal, path, `${draft}.dead`)
  } finally {
    await rm(draft, { force: true })
  }
  return () => rm(path, { force: true })
}

/** Makes the lock with its content in one step; false where there is one. */
async function linked(draft: string, path: string): Promise<boolean> {
  return link(draft, path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return false
      throw error
    },
  )
}

async function breakDeadLock(journal: string, path: string, aside: string): Promise<void> {
  const text = await readIfThere(path)
  if (text === undefined) return
  const owner = parseOwner(text)
  if (!owner || (await mayLive(owner))) throw locked(journal, path, owner)
  await rename(path, aside).catch(ignoreMissing)
  const moved = await readIfThere(aside)
  // Another one was quicker, and what we moved is its living lock: give it back.
  if (moved !== undefined && moved !== text) await linked(aside, path)
  await rm(aside, { force: true })
}

async function mayLive(owner: Owner): Promise<boolean> {
  if (owner.host !== hostname()) return true
  return owner.startedTicks === undefined
    ? isProcess(owner.pid)
    : (await startOf(owner.pid)) === owner.startedTicks
}

function isProcess(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** When a process started, in the kernel's ticks since boot: field 22 of proc(5)'s stat. Undefined where it is gone or there is no /proc. */
async function startOf(pid: number): Promise<string | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => undefined)
  const fields = stat?.slice(stat.lastIndexOf(')') + 2).split(' ')
  return fields?.[0] === 'Z' ? undefined : fields?.[19]
}

function parseOwner(text: string): Owner | undefined {
  try {
    return JSON.parse(text) as Owner
  } catch {
    return undefined // Not ours: it is for a person to look at.
  }
}

async function readIfThere(path: string): Promise<string | undefined> {
  return readFile(path, 'utf8').catch(ignoreMissing)
}

function ignoreMissing(error: NodeJS.ErrnoException): undefined {
  if (error.code !== 'ENOENT') throw error
}

function locked(journal: string, path: string, owner: Owner | undefined): Error {
  const holder = owner ? `process ${owner.pid} on ${owner.host}` : 'somebody unknown'
  return recoveryError(
    'JOURNAL_LOCKED',
    `${journal} is in use by ${holder}: end that first; if it is gone for certain, remove ${path}`,
    { fields: { path: journal, pid: owner?.pid, host: owner?.host } },
  )
}
