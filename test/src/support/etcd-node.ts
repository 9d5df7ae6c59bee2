import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { guard } from './guard.ts'

export interface NodePlan {
  binary: string
  name: string
  endpoint: string
  peer: string
  /** Where this node serves /health and /metrics, without TLS. */
  health: string
  members: string
  dataFolder: string
  flags: readonly string[]
}

export interface EtcdNode {
  readonly name: string
  readonly endpoint: string
  /** Where it listens for its peers. */
  readonly peer: string
  readonly running: boolean
  /** Resolves when the node answers a linearizable read. */
  start(): Promise<void>
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>
  /** SIGSTOP, and returns when every thread stands still: sockets stay open, nothing is answered. */
  pause(): void
  /** SIGCONT. */
  resume(): void
  /** Kills it if it runs and starts it on the same ports and data. */
  restart(): Promise<void>
  /** Kills it if it runs, empties its data folder and starts it; with `refill` between the two. */
  wipe(refill?: () => void): Promise<void>
  isLeader(): Promise<boolean>
}

const startTimeoutMs = 20_000

export function createEtcdNode(plan: NodePlan): EtcdNode {
  let child: ChildProcess | undefined
  let output = ''

  const node: EtcdNode = {
    name: plan.name,
    endpoint: plan.endpoint,
    peer: plan.peer,
    get running() {
      return child !== undefined
    },
    start,
    kill,
    pause,
    resume: () => void child?.kill('SIGCONT'),
    restart: async () => {
      await kill()
      await start()
    },
    wipe: async (refill) => {
      await kill()
      await rm(plan.dataFolder, { recursive: true, force: true })
      refill?.()
      await start()
    },
    isLeader: async () => /^etcd_server_is_leader 1$/m.test((await get('/metrics')) ?? ''),
  }
  return node

  async function start(): Promise<void> {
    if (child) throw new Error(`${plan.name} runs already`)
    output = ''
    const started = spawn(plan.binary, flagsOf(plan), { stdio: ['ignore', 'ignore', 'pipe'] })
    child = started
    guard(started)
    started.stderr!.on('data', (chunk) => {
      output = (output + chunk).slice(-8_000)
    })
    started.once('exit', () => {
      if (child === started) child = undefined
    })
    await healthy(started)
  }

  async function healthy(started: ChildProcess): Promise<void> {
    for (const deadline = Date.now() + startTimeoutMs; Date.now() < deadline; await sleep(20)) {
      if (child !== started) throw new Error(`${plan.name} ended while it started: ${output}`)
      if ((await get('/health'))?.includes('"true"')) return
    }
    throw new Error(`${plan.name} was not healthy within ${startTimeoutMs} ms: ${output}`)
  }

  async function get(path: string): Promise<string | undefined> {
    try {
      const response = await fetch(plan.health + path, { signal: AbortSignal.timeout(2_000) })
      return await response.text()
    } catch {
      return undefined // Not listening yet, or stopped: the caller asks again or knows.
    }
  }

  function pause(): void {
    if (!child) throw new Error(`${plan.name} does not run`)
    child.kill('SIGSTOP')
    while (!isStopped(child.pid!)) {} // A matter of a millisecond: a thread in the kernel stops on its way out.
  }

  async function kill(): Promise<void> {
    const running = child
    if (running) {
      const gone = once(running, 'exit')
      running.kill('SIGKILL')
      await gone
    }
  }
}

function isStopped(pid: number): boolean {
  const tasks = `/proc/${pid}/task`
  if (!existsSync(tasks)) return true // Not Linux: nothing to ask.
  return readdirSync(tasks).every((task) => /\) T /.test(readFileSync(`${tasks}/${task}/stat`, 'utf8')))
}

function flagsOf(plan: NodePlan): string[] {
  return [
    `--name=${plan.name}`,
    `--data-dir=${plan.dataFolder}`,
    `--listen-client-urls=${plan.endpoint}`,
    `--advertise-client-urls=${plan.endpoint}`,
    `--listen-peer-urls=${plan.peer}`,
    `--initial-advertise-peer-urls=${plan.peer}`,
    `--initial-cluster=${plan.members}`,
    `--listen-metrics-urls=${plan.health}`,
    '--logger=zap',
    '--log-level=error',
    ...plan.flags,
  ]
}
