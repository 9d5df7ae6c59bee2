import { createHash } from 'node:crypto'
import { readdir, readFile, readlink, rm, statfs } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { uniqueId } from '../durable.ts'
import { systemCode } from '../errors.ts'

/** Who restores into a folder, so that others can tell when that process is dead. */
interface Owner {
  /** Of the kernel since it was started, and of the namespaces in which a pid and a start time mean something. */
  readonly boot: string
  readonly space: string
  readonly pid: number
  /** When the process was started, in ticks since the boot: a pid is given out again, but not at the same time. */
  readonly started: string
}

/**
 * A name beside the goal that no one else has, for the folder to restore into. It says whose it is:
 * `GOAL.restore-BOOT-SPACE-PID-STARTED-ID`, or `GOAL.restore-ID` where there is no `/proc`.
 */
export async function siblingOf(goal: string): Promise<string> {
  const own = await self()
  const owner = own ? `${own.boot}-${own.space}-${own.pid}-${own.started}-` : ''
  return `${goal}.restore-${owner}${uniqueId()}`
}

/**
 * Removes what restores to this goal have left that died.
 *
 * Only what is dead for certain: its process has ended, seen from the same namespaces of the same
 * boot of the kernel; or the kernel was started anew since. Both only on a file system that no two
 * kernels share. All else, such as what another container has left, stays.
 */
export async function removeLeftovers(goal: string): Promise<void> {
  const folder = dirname(goal)
  const prefix = `${basename(goal)}.restore-`
  const names = (await ifAllowed(readdir(folder))) ?? []
  const own = await self()
  if (!own || !names.some((name) => name.startsWith(prefix)) || !(await isOfOneKernel(folder))) return
  for (const name of names) {
    const owner = name.startsWith(prefix) ? ownerOf(name.slice(prefix.length)) : undefined
    if (owner && (await isDead(owner, own)))
      await ifAllowed(rm(join(folder, name), { recursive: true, force: true }))
  }
}

function ownerOf(rest: string): Owner | undefined {
  const found = /^([0-9a-f]{8})-([0-9a-f]{8})-(\d{1,10})-(\d{1,20})-[0-9a-f]{16}$/.exec(rest)
  if (!found) return undefined
  const [boot, space, pid, started] = found.slice(1) as [string, string, string, string]
  return { boot, space, pid: Number(pid), started }
}

async function isDead(owner: Owner, own: Owner): Promise<boolean> {
  if (owner.boot !== own.boot) return true
  if (owner.space !== own.space) return false
  if (!isRunning(owner.pid)) return true
  const started = await startOf(String(owner.pid))
  return started !== undefined && started !== owner.started
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch (error) {
    return systemCode(error) !== 'ESRCH'
  }
}

/** ext2 to ext4, XFS, Btrfs, F2FS, tmpfs, overlayfs: by their numbers in Linux's magic.h. */
const ofOneKernel = [0xef53, 0x58465342, 0x9123683e, 0xf2f52010, 0x01021994, 0x794c7630]

async function isOfOneKernel(folder: string): Promise<boolean> {
  const found = await ifAllowed(statfs(folder))
  return found !== undefined && ofOneKernel.includes(found.type)
}

/** This process; undefined where the system does not tell. */
async function self(): Promise<Owner | undefined> {
  const [boot, pids, times, started] = await Promise.all([
    ifAllowed(readFile('/proc/sys/kernel/random/boot_id', 'utf8')),
    ifAllowed(readlink('/proc/self/ns/pid')),
    ifAllowed(readlink('/proc/self/ns/time')),
    startOf('self'),
  ])
  if (boot === undefined || pids === undefined || started === undefined) return undefined
  return { boot: digest(boot), space: digest(`${pids} ${times}`), pid: process.pid, started }
}

/** The 22nd field of its `stat`; its second, the command in brackets, may hold anything. */
async function startOf(process: string): Promise<string | undefined> {
  const stat = await ifAllowed(readFile(`/proc/${process}/stat`, 'utf8'))
  return stat?.slice(stat.lastIndexOf(')') + 2).split(' ')[19]
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}

/** What it resolves to; undefined where the system does not let us: then nothing is known, and nothing removed. */
async function ifAllowed<T>(operation: Promise<T>): Promise<T | undefined> {
  try {
    return await operation
  } catch (error) {
    if (systemCode(error) === undefined) throw error
    return undefined
  }
}
