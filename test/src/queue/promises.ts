import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Queue } from '@holdfast/queue'
import { expect } from 'vitest'
import { guard } from '../support/guard.ts'
import { root } from '../support/workspace.ts'

const worker = join(root, 'test/dist/children/queue-worker.js')

/** What a worker wrote down of what the queue promised it. */
export interface Promises {
  readonly accepted: Map<string, number>
  /** Acknowledged, perhaps without living to write that down. */
  readonly acking: Set<string>
  readonly acked: Set<string>
}

export interface WorkerOptions {
  folder: string
  log: string
  durability: 'fsync' | 'os'
  /** The first number that it enqueues. */
  start: number
}

/** Starts a worker, and returns once it was promised something. */
export async function startWorker({ folder, log, durability, start }: WorkerOptions): Promise<ChildProcess> {
  const child = spawn(process.execPath, [worker, folder, log, durability, String(start)], {
    stdio: ['ignore', 'ignore', 'inherit'],
  })
  guard(child)
  for (let wait = 0; wait < 4_000; wait++) {
    if (existsSync(log) && [...promisesIn(log).accepted.values()].some((value) => value >= start))
      return child
    if (child.exitCode !== null) throw new Error(`the worker ended by itself with ${child.exitCode}`)
    await sleep(5)
  }
  throw new Error('the worker was promised nothing')
}

export function promisesIn(log: string): Promises {
  const found: Promises = { accepted: new Map(), acking: new Set(), acked: new Set() }
  for (const line of readFileSync(log, 'utf8').split('\n').slice(0, -1)) {
    const [what, value, id] = line.split(' ') as ['accepted' | 'acking' | 'acked', string, string]
    if (what === 'accepted') found.accepted.set(id, Number(value))
    else found[what].add(id)
  }
  return found
}

/** All that was accepted is there as it was, what was acknowledged is not, and nothing is missing in between. */
export async function expectKept(queue: Queue<number>, promises: Promises, where: string): Promise<void> {
  const { accepted, acking, acked } = promises
  const verification = await queue.verify()
  expect(verification.losses, where).toEqual([])
  const left = new Map<string, number>()
  for (const lane of ['ready', 'delayed', 'dead'] as const)
    for (const { id, value } of await queue.peek({ lane, limit: 1e6 })) left.set(id, value)
  for (const [id, value] of accepted) {
    const which = `${value} ${id}, ${where}`
    if (acked.has(id)) expect(left.has(id), which).toBe(false)
    else if (!acking.has(id)) expect(left.get(id), which).toBe(value)
  }
  const { ready, delayed, dead } = queue.size
  expect(ready + delayed + dead).toBe(verification.messages)
}
