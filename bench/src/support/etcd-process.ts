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
  const binaries = spawnSync(process.execPath, [tool], { encoding: 'utf8' }).stdout.trim()
  const dataFolder = await mkdtemp(join(folder, 'etcd-'))
  const [endpoint, peer] = [await freeUrl(), await freeUrl()]
  const flags = [
    ...[
      'name=bench',
      `data-dir=${dataFolder}`,
      `initial-cluster=bench=${peer}`,
      'logger=zap',
      'log-level=error',
    ],
    ...[`listen-client-urls=${endpoint}`, `advertise-client-urls=${endpoint}`],
    ...[`listen-peer-urls=${peer}`, `initial-advertise-peer-urls=${peer}`],
  ].map((flag) => `--${flag}`)
  const start = (): ChildProcess => spawn(join(binaries, 'etcd'), flags, { stdio: 'ignore' })
  let etcd = start()
  const kill = (): void => void etcd.kill('SIGKILL')
  const end = async (): Promise<void> => {
    const gone = once(etcd, 'exit')
    kill()
    await gone
  }
  const restart = async (): Promise<void> => {
    await end()
    etcd = start()
    await healthy(endpoint)
  }
  const control: EtcdControl = {
    restart,
    async wipe() {
      await end()
      await rm(dataFolder, { recursive: true, force: true })
      etcd = start()
      await healthy(endpoint)
    },
    async compact(revision) {
      const environment = { env: { ...process.env, ETCDCTL_API: '3' } }
      spawnSync(join(binaries, 'etcdctl'), ['--endpoints', endpoint, 'compact', `${revision}`], environment)
    },
  }
  process.once('exit', kill)
  try {
    await healthy(endpoint)
    return await measure(endpoint, control)
  } finally {
    await end()
    process.off('exit', kill)
    await rm(dataFolder, { recursive: true, force: true })
  }
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
