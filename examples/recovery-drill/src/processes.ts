import { spawn } from 'node:child_process'
import { mkdir, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { systemClock as clock } from '@holdfast/core'
import type { Place, Platform } from './plan.ts'

/**
 * Services as processes of this host that outlive whoever starts them.
 *
 * A process is found by the key in its command line, which is there from the
 * first moment on: nobody can die between starting it and writing that down.
 */
export const processes: Platform = {
  find: async (place) => ((await pidsOf(place.key)).length === 0 ? undefined : address(place)),
  start: async (place, needs, signal) => {
    signal.throwIfAborted()
    await mkdir(join(place.folder, place.name), { recursive: true })
    const program = fileURLToPath(new URL(`./services/${place.name}.js`, import.meta.url))
    const child = spawn(process.execPath, [program, place.key, place.folder, ...needs], {
      detached: true,
      stdio: 'ignore',
    })
    child.unref()
    return address(place, signal)
  },
  healthy: async (url, signal) => (await fetch(`${url}/health`, { signal })).ok,
  openTraffic: async (url) => {
    await fetch(`${url}/traffic`, { method: 'POST' })
  },
  stop: async ({ key }) => {
    await endAll(key, 'SIGTERM')
  },
}

/** Ends every process with this text in its command line, and waits until it is gone. */
export async function endAll(text: string, signal: 'SIGTERM' | 'SIGKILL'): Promise<number> {
  const pids = await pidsOf(text)
  for (const pid of pids) endOne(pid, signal)
  while ((await pidsOf(text)).length > 0) await clock.sleep(10)
  return pids.length
}

function endOne(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error // It ended by itself meanwhile.
  }
}

/** Services whose command line holds a text, by Linux' /proc. */
export async function pidsOf(text: string): Promise<number[]> {
  const pids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
  const lines = await Promise.all(
    pids.map((pid) => readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')), // gone meanwhile
  )
  return pids.filter((_, at) => isService(lines[at]!, text)).map(Number)
}

function isService(commandLine: string, text: string): boolean {
  const [, program, ...rest] = commandLine.split('\0')
  return program?.includes('/recovery-drill/dist/services/') === true && rest.join('\0').includes(text)
}

/** What a service writes when it listens. */
async function address({ name, key, folder }: Place, signal?: AbortSignal): Promise<string> {
  const file = join(folder, `${name}.${key}.address`)
  for (;;) {
    const url = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') throw error
    })
    if (url) return url
    if ((await pidsOf(key)).length === 0) throw new Error(`${name} ended before it listened`)
    await clock.sleep(10, signal)
    signal?.throwIfAborted()
  }
}
