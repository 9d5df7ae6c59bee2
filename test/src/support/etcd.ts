import { spawnSync } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe } from 'vitest'
import { createEtcdNode, type EtcdNode, type NodePlan } from './etcd-node.ts'
import { freePorts } from './ports.ts'

export type { EtcdNode } from './etcd-node.ts'

/** The folder of `etcd` and `etcdctl`, or undefined where they cannot be had. Throws when CI=true. */
export const etcdFolder: string | undefined = findEtcd()

/** `describe` for tests on a real etcd: skipped, loudly, on a machine that has none. */
export const describeEtcd: typeof describe.skip | typeof describe = etcdFolder ? describe : describe.skip

export interface EtcdOptions {
  /** Members of the cluster. @default 1 */
  nodes?: 1 | 3
  /** Serves clients over TLS with these files; `ca` makes client certificates required. */
  tls?: { cert: string; key: string; ca?: string }
  /** Creates user and role `root` and enables authentication. */
  auth?: { rootPassword: string }
  /** More command-line flags, such as `--auth-token-ttl=2`. */
  flags?: readonly string[]
}

export interface Etcd extends AsyncDisposable {
  /** `http(s)://127.0.0.1:port`, one for each node. */
  readonly endpoints: readonly string[]
  /** The first of them. */
  readonly endpoint: string
  readonly nodes: readonly EtcdNode[]
  /** The member that leads now. */
  leader(): Promise<EtcdNode>
  /** Compacts the history up to this revision, by default up to the current one, and returns it. */
  compact(revision?: number): Promise<number>
  /** Takes a backup as an operator would, of a cluster of one, and returns what restores it: etcd starts on it, its revisions gone back. */
  backUp(): Promise<() => Promise<void>>
  /** Runs etcdctl (API 3) as root against the cluster and returns what it printed. */
  etcdctl(...args: string[]): Promise<string>
  /** For all nodes: SIGKILL; SIGSTOP; SIGCONT; a start on the same ports and data; an empty data folder and a start. */
  kill(): Promise<void>
  pause(): void
  resume(): void
  restart(): Promise<void>
  wipe(): Promise<void>
  /** Ends the processes and removes their data. */
  close(): Promise<void>
}

/**
 * Starts a real etcd on random loopback ports with its data in a temporary folder, and
 * returns when every node answers a linearizable read.
 *
 * Use it with `await using`; should the test process die, the nodes are ended all the same.
 */
export async function startEtcd(options: EtcdOptions = {}): Promise<Etcd> {
  for (let attempt = 1; ; attempt++) {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-etcd-'))
    const nodes = (await plans(folder, options)).map(createEtcdNode)
    try {
      await Promise.all(nodes.map((node) => node.start()))
      const etcd = cluster(folder, nodes, options)
      if (options.auth) await enableAuth(etcd, options.auth.rootPassword)
      return etcd
    } catch (error) {
      await Promise.all(nodes.map((node) => node.kill()))
      await rm(folder, { recursive: true, force: true })
      // A port that was free can be taken by another process before etcd binds it.
      if (attempt === 3 || !String(error).includes('address already in use')) throw error
    }
  }
}

function cluster(folder: string, nodes: readonly EtcdNode[], options: EtcdOptions): Etcd {
  const endpoints = nodes.map((node) => node.endpoint)
  const all = async (act: (node: EtcdNode) => Promise<void>): Promise<void> => {
    await Promise.all(nodes.map(act))
  }
  return {
    endpoints,
    endpoint: endpoints[0]!,
    nodes,
    leader,
    compact,
    backUp,
    etcdctl,
    kill: () => all((node) => node.kill()),
    pause: () => nodes.forEach((node) => void node.pause()),
    resume: () => nodes.forEach((node) => void node.resume()),
    restart: () => all((node) => node.restart()),
    wipe: async () => {
      await all((node) => node.kill())
      await all((node) => node.wipe())
      if (options.auth) await enableAuth({ etcdctl: unauthenticated }, options.auth.rootPassword)
    },
    close,
    [Symbol.asyncDispose]: close,
  }

  async function leader(): Promise<EtcdNode> {
    const found = await Promise.all(nodes.map((node) => node.isLeader()))
    const index = found.indexOf(true)
    if (index < 0) throw new Error('etcd has no leader now')
    return nodes[index]!
  }

  async function compact(revision?: number): Promise<number> {
    const status = JSON.parse(await etcdctl('get', 'none', '--write-out=json'))
    const upTo = revision ?? (status.header.revision as number)
    await etcdctl('compact', String(upTo))
    return upTo
  }

  async function backUp(): Promise<() => Promise<void>> {
    const [node] = nodes
    if (!node || nodes.length > 1) throw new Error('only a cluster of one is backed up here')
    const file = join(folder, 'backup')
    await etcdctl('snapshot', 'save', file)
    const data = `--data-dir=${join(folder, node.name)}`
    const member = [`--name=${node.name}`, `--initial-cluster=${node.name}=${node.peer}`]
    const peers = `--initial-advertise-peer-urls=${node.peer}`
    return () => node.wipe(() => runEtcdctl(['snapshot', 'restore', file, data, ...member, peers], undefined))
  }

  async function etcdctl(...args: string[]): Promise<string> {
    return runEtcdctl(args, options.auth && `root:${options.auth.rootPassword}`)
  }

  async function unauthenticated(...args: string[]): Promise<string> {
    return runEtcdctl(args, undefined)
  }

  function runEtcdctl(args: string[], user: string | undefined): string {
    const tls = options.tls
    const flags = [`--endpoints=${nodes.filter((node) => node.running).map((node) => node.endpoint)}`]
    if (tls) flags.push(`--cacert=${tls.ca ?? tls.cert}`)
    if (tls?.ca) flags.push(`--cert=${tls.cert}`, `--key=${tls.key}`)
    if (user) flags.push(`--user=${user}`)
    const env = { ...process.env, ETCDCTL_API: '3' }
    const { status, stdout, stderr } = spawnSync(join(etcdFolder!, 'etcdctl'), [...flags, ...args], {
      env,
      encoding: 'utf8',
      timeout: 20_000,
    })
    if (status !== 0) throw new Error(`etcdctl ${args.join(' ')} ended with ${status}: ${stderr}`)
    return stdout
  }

  async function close(): Promise<void> {
    await all((node) => node.kill())
    await rm(folder, { recursive: true, force: true })
  }
}

async function enableAuth(etcd: Pick<Etcd, 'etcdctl'>, password: string): Promise<void> {
  await etcd.etcdctl('user', 'add', `root:${password}`)
  await etcd.etcdctl('user', 'grant-role', 'root', 'root')
  await etcd.etcdctl('auth', 'enable')
}

async function plans(folder: string, options: EtcdOptions): Promise<NodePlan[]> {
  if (!etcdFolder) throw new Error('no etcd: use describeEtcd')
  const count = options.nodes ?? 1
  const ports = await freePorts(count * 3)
  const scheme = options.tls ? 'https' : 'http'
  const peer = (index: number): string => `http://127.0.0.1:${ports[count + index]}`
  const members = Array.from({ length: count }, (_, index) => `node${index}=${peer(index)}`).join(',')
  return Array.from({ length: count }, (_, index) => ({
    binary: join(etcdFolder!, 'etcd'),
    name: `node${index}`,
    endpoint: `${scheme}://127.0.0.1:${ports[index]}`,
    peer: peer(index),
    health: `http://127.0.0.1:${ports[2 * count + index]}`,
    members,
    dataFolder: join(folder, `node${index}`),
    flags: [...tlsFlags(options), ...(options.flags ?? [])],
  }))
}

function tlsFlags({ tls }: EtcdOptions): string[] {
  if (!tls) return []
  const flags = [`--cert-file=${tls.cert}`, `--key-file=${tls.key}`]
  return tls.ca ? [...flags, '--client-cert-auth', `--trusted-ca-file=${tls.ca}`] : flags
}

function findEtcd(): string | undefined {
  const tool = fileURLToPath(new URL('../../../tools/etcd.mjs', import.meta.url))
  const { status, stdout, stderr } = spawnSync(process.execPath, [tool], { encoding: 'utf8' })
  if (status === 0) return stdout.trim()
  if (process.env['CI'] === 'true') throw new Error(stderr)
  console.warn(`SKIPPED: tests on a real etcd. ${stderr.trim()}`)
  return undefined
}
