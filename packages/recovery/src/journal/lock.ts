import { randomUUID } from 'node:crypto'
import { link, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { basename, dirname } from 'node:path'
import { recoveryError } from '../errors.ts'

/** Who holds a lock. A process is told from a later one of the same number by when it started. */
interface Owner {
  readonly host: string
  readonly pid: number
  readonly startedTicks: string | undefined
}

/** How often one that finds others breaking the same dead lock looks again: far more than any of them needs. */
const mostTries = 200

/**
 * Takes the lock file beside a journal, or throws `JOURNAL_LOCKED`.
 *
 * The file appears with its content in one step and only where there is none, so of many that come at
 * once one gets it. A lock whose process is dead is taken over; one of another host is not, for
 * nobody here can tell. Returns what gives it back.
 */
export async function takeLock(journal: string): Promise<() => Promise<void>> {
  const path = `${journal}.lock`
  const draft = `${path}.${randomUUID()}`
  const own = { host: hostname(), pid: process.pid, startedTicks: await startOf(process.pid) }
  await writeFile(draft, `${JSON.stringify(own satisfies Owner)}\n`)
  try {
    for (let tries = 1; !(await linked(draft, path)); tries += 1) {
      const { state, owner } = await holderOf(path)
      if (state === 'living' || tries === mostTries) throw locked(journal, path, owner)
      if (state === 'dead') await breakDead(path, draft)
    }
  } finally {
    await rm(draft, { force: true })
  }
  return () => rm(path, { force: true })
}

/** False where there is one already. */
async function linked(draft: string, path: string): Promise<boolean> {
  return link(draft, path).then(
    () => true,
    (error: NodeJS.ErrnoException) => {
      if (error.code === 'EEXIST') return false
      throw error
    },
  )
}

/**
 * Removes the lock if it still is a dead one's, which one breaker at a time may do: what another
 * put there after a removal would be taken for the dead one's.
 *
 * By the one-bit algorithm (L. Lamport, "The Mutual Exclusion Problem", part II, 1986), the bit being a
 * file of one's own: a breaker gives way to those whose files come earlier by name, and waits for those
 * that come later, which give way to it. So of two never both go on, and of many one does.
 */
async function breakDead(path: string, draft: string): Promise<void> {
  const mine = `${draft}.breaks`
  const isFirst = (others: readonly string[]): boolean => others.every((other) => other > mine)
  if (!isFirst(await breakersOf(path))) return
  await link(draft, mine)
  try {
    for (let looks = 1; looks <= mostTries; looks += 1) {
      const others = (await breakersOf(path)).filter((breaker) => breaker !== mine)
      if (!isFirst(others)) return
      if (others.length === 0) return await removeDead(path)
    }
  } finally {
    await rm(mine, { force: true })
  }
}

/** Only where a dead one's stands there: where nothing does, a living one may appear before the removal. */
async function removeDead(path: string): Promise<void> {
  if ((await holderOf(path)).state === 'dead') await rm(path, { force: true })
}

/** The files of those who break it now. Those of the dead are removed: their names never come again. */
async function breakersOf(path: string): Promise<string[]> {
  const prefix = `${basename(path)}.`
  const found: string[] = []
  for (const name of await readdir(dirname(path))) {
    if (!name.startsWith(prefix) || !name.endsWith('.breaks')) continue
    const breaker = `${path}${name.slice(basename(path).length)}`
    const { state } = await holderOf(breaker)
    if (state === 'living') found.push(breaker)
    if (state === 'dead') await rm(breaker, { force: true })
  }
  return found
}

interface Holder {
  readonly state: 'none' | 'dead' | 'living'
  readonly owner?: Owner | undefined
}

/** What nobody can read is somebody's who may live. */
async function holderOf(path: string): Promise<Holder> {
  const text = await readIfThere(path)
  if (text === undefined) return { state: 'none' }
  const owner = parseOwner(text)
  return { state: !owner || (await mayLive(owner)) ? 'living' : 'dead', owner }
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
  return readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code !== 'ENOENT') throw error
    return undefined
  })
}

function locked(journal: string, path: string, owner: Owner | undefined): Error {
  const holder = owner ? `process ${owner.pid} on ${owner.host}` : 'somebody unknown'
  return recoveryError(
    'JOURNAL_LOCKED',
    `${journal} is in use by ${holder}: end that first; if it is gone for certain, remove ${path}`,
    { fields: { path: journal, pid: owner?.pid, host: owner?.host } },
  )
}
