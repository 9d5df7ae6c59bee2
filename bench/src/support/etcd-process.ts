import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const tool = fileURLToPath(new URL('../../../tools/etcd.mjs', import.meta.url))

/** Why there is no etcd to measure with; undefined when there is one. */
export async function missingEtcd(): Promise<string | undefined> {
  const { status, stderr } = spawnSync(process.execPath, [tool], { encoding: 'utf8' })
  return status === 0 ? undefined : stderr.trim()
}

/** What an operator and accidents do to the etcd that is measured. */
export interface EtcdControl {
  /** kill -9, and a start on the same data. */
  restart(): Promise<void>
  /** kill -9, and a start on an empty folder. */
  wipe(): Promise<void>
  compact(revision: number): Promise<void>
}

/** Runs `measure` against an empty etcd of one node, with its data in the folder, and ends it. */
export async function withEtcd<T>(
  folder: string,
  measure: (endpoint: string, control: EtcdControl) => Promise<T>,
): Promise<T> {
  return await withMembers(folder, 1, async ([member]) => {
    const { endpoint, kill, start, empty } = member!
    const control: EtcdControl = {
      async restart() {
        await kill()
        await start()
      },
      async wipe() {
        await kill()
        await empty()
        await start()
      },
      async compact(revision) {
        const environment = { env: { ...process.env, ETCDCTL_API: '3' } }
        spawnSync(
          join(binaries(), 'etcdctl'),
          ['--endpoints', endpoint, 'compact', `${revision}`],
          environment,
        )
      },
    }
    return await measure(endpoint, control)
  })
}

/** One member of a cluster, as its own process. */
export interface EtcdMember {
  readonly endpoint: string
  /** kill -9. */
  kill(): Promise<void>
  /** On the data that it left; resolves once it has a leader. */
  start(): Promise<void>
  /** Forgets its data while it is down. */
  empty(): Promise<void>
  /** SIGSTOP: connections stay, and nothing is answered. */
  freeze(): void
  thaw(): void
}

/** Runs `measure` against an empty etcd of so many members, with their data in the folder, and ends them. */
export async function withMembers<T>(
  folder: string,
  count: number,
  measure: (members: readonly EtcdMember[]) => Promise<T>,
): Promise<T> {
  const dataFolder = await mkdtemp(join(folder, 'etcd-'))
  const addresses: Address[] = []
  for (let n = 0; n < count; n += 1)
    addresses.push({ name: `bench${n}`, client: await freeUrl(), peer: await freeUrl() })
  const members = addresses.map((address) => createMember(dataFolder, address, addresses))
  try {
    await Promise.all(members.map((member) => member.start()))
    return await measure(members)
  } finally {
    for (const member of members) await member.kill()
    await rm(dataFolder, { recursive: true, force: true })
  }
}

interface Address {
  readonly name: string
  readonly client: string
  readonly peer: string
}

function createMember(
  folder: string,
  { name, client, peer }: Address,
  addresses: readonly Address[],
): EtcdMember {
  const data = join(folder, name)
  const flags = [
    ...[`name=${name}`, `data-dir=${data}`, 'logger=zap', 'log-level=error'],
    `initial-cluster=${addresses.map((address) => `${address.name}=${address.peer}`)}`,
    ...[`listen-client-urls=${client}`, `advertise-client-urls=${client}`],
    ...[`listen-peer-urls=${peer}`, `initial-advertise-peer-urls=${peer}`],
  ].map((flag) => `--${flag}`)
  let etcd: ChildProcess | undefined
  const end = (): void => void etcd?.kill('SIGKILL')
  return {
    endpoint: client,
    async start() {
      etcd = spawn(join(binaries(), 'etcd'), flags, { stdio: 'ignore' })
      process.once('exit', end)
      await healthy(client)
    },
    async kill() {
      if (!etcd) return
      const gone = once(etcd, 'exit')
      end()
      await gone
      process.off('exit', end)
      etcd = undefined
    },
    empty: () => rm(data, { recursive: true, force: true }),
    freeze: () => void etcd?.kill('SIGSTOP'),
    thaw: () => void etcd?.kill('SIGCONT'),
  }
}

function binaries(): string {
  return spawnSync(process.execPath, [tool], { encoding: 'utf8' }).stdout.trim()
}

async function healthy(endpoint: string): Promise<void> {
  for (let attempt = 0; attempt < 500; attempt++) {
    const health = await fetch(`${endpoint}/health`).then(
      (response) => response.text(),
      () => '',
    )
    if (health.includes('"true"')) return
    await sleep(20)
  }
  throw new Error('etcd did not become healthy within 10 s')
}

async function freeUrl(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  await once(server.close(), 'close')
  return `http://127.0.0.1:${port}`
}
