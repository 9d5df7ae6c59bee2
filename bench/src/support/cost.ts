import { spawn } from 'node:child_process'
import { performance } from 'node:perf_hooks'

/** What something took, in seconds. */
export interface Cost {
  readonly wall: number
  /** Of all cores, user and system. */
  readonly cpu: number
}

/** What an operation of this process took, its threads included. */
export async function costOf(operation: () => Promise<unknown>): Promise<Cost> {
  const [begun, cpu] = [performance.now(), process.cpuUsage()]
  await operation()
  const { user, system } = process.cpuUsage(cpu)
  return { wall: (performance.now() - begun) / 1_000, cpu: (user + system) / 1e6 }
}

/** Runs a command to its end and tells what it took, its children included. Rejects with what it said where it failed. */
export async function costOfCommand(
  command: string,
  args: readonly string[],
  { env, cwd }: { env?: NodeJS.ProcessEnv; cwd?: string } = {},
): Promise<Cost> {
  // The shell's own `time` is the one that is everywhere; its line comes last, after a mark.
  const timed = `TIMEFORMAT='holdfast %R %U %S'; time "$0" "$@"`
  const child = spawn('bash', ['-c', timed, command, ...args], {
    env: { ...process.env, LC_ALL: 'C', ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
    ...(cwd !== undefined && { cwd }),
  })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text
  })
  const code = await new Promise((resolve, reject) => child.once('error', reject).once('close', resolve))
  const found = /holdfast ([\d.]+) ([\d.]+) ([\d.]+)\n$/.exec(said)
  if (code !== 0 || !found) throw new Error(`${command} ${args[0]} ended with ${String(code)}: ${said}`)
  const [wall, user, system] = found.slice(1).map(Number) as [number, number, number]
  return { wall, cpu: user + system }
}
