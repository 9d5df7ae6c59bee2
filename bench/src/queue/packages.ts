import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../..', import.meta.url))
const folder = join(root, '.cache', 'queue-peers')
const tool = join(root, 'tools', 'debian.mjs')

/** Fetched when they are first measured, and no dependency: one of them takes a compiler and minutes. */
const versions = { 'better-sqlite3': '12.11.1', bullmq: '5.81.5', plainjob: '0.0.14' }
const debian = [
  ...['redis-server', 'redis-tools', 'beanstalkd', 'libatomic1', 'libjemalloc2'],
  ...['liblua5.1-0', 'liblzf1', 'lua-bitop', 'lua-cjson'],
]

export type PeerPackage = keyof typeof versions

const problems = new Map<PeerPackage, string | undefined>()

/** Why a package cannot be had here; undefined once it is there. */
export async function missingPackage(name: PeerPackage): Promise<string | undefined> {
  if (!problems.has(name)) problems.set(name, install(name))
  return problems.get(name)
}

export function load<M>(name: PeerPackage): M {
  return createRequire(join(folder, 'package.json'))(name) as M
}

function install(name: PeerPackage): string | undefined {
  mkdirSync(folder, { recursive: true })
  if (!existsSync(join(folder, 'package.json')))
    writeFileSync(join(folder, 'package.json'), '{"private":true}\n')
  try {
    if (!existsSync(join(folder, 'node_modules', name)))
      execFileSync(
        'npm',
        ['install', '--no-audit', '--no-fund', '--save-exact', `${name}@${versions[name]}`],
        {
          cwd: folder,
          timeout: 600_000,
          stdio: 'pipe',
        },
      )
    load(name)
    return undefined
  } catch (error) {
    return `${name} could not be installed: ${String(error).split('\n')[0]}`
  }
}

let unpacked: { folder: string; problem: string | undefined } | undefined

function findServers(): { folder: string; problem: string | undefined } {
  if (unpacked) return unpacked
  const { status, stdout, stderr } = spawnSync(process.execPath, [tool, 'queue-servers', ...debian], {
    encoding: 'utf8',
  })
  unpacked = { folder: stdout.trim(), problem: status === 0 ? undefined : stderr.trim() }
  return unpacked
}

/** Why Debian's redis and beanstalkd cannot be had here; undefined once they are there. */
export async function missingServers(): Promise<string | undefined> {
  return findServers().problem
}

/** A server's program, and the environment in which it finds its libraries. */
export function server(name: 'redis-server' | 'beanstalkd'): { path: string; env: NodeJS.ProcessEnv } {
  const base = findServers().folder
  const libraries = process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu'
  return {
    path: join(base, 'usr/bin', name),
    env: { ...process.env, LD_LIBRARY_PATH: join(base, 'usr/lib', libraries) },
  }
}
