import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { openEtcdStore } from '@holdfast/etcd'

export interface LocalEtcd extends AsyncDisposable {
  readonly endpoints: readonly string[]
}

/** The etcd at `ETCD_ENDPOINTS`, else one of our own from the PATH, on loopback, that ends with this run. */
export async function findEtcd(folder: string): Promise<LocalEtcd> {
  const given = process.env['ETCD_ENDPOINTS']
  if (given) return { endpoints: given.split(','), [Symbol.asyncDispose]: async () => undefined }
  const [client, peer] = (await freePorts(2)).map((port) => `http://127.0.0.1:${port}`) as [string, string]
  const flags = {
    'data-dir': join(folder, 'etcd'),
    'listen-client-urls': client,
    'advertise-client-urls': client,
    'listen-peer-urls': peer,
    'initial-advertise-peer-urls': peer,
    'initial-cluster': `default=${peer}`,
  }
  const etcd = spawn(
    'etcd',
    Object.entries(flags).map(([name, value]) => `--${name}=${value}`),
    { stdio: 'ignore' },
  )
  const failed = once(etcd, 'error').then(([error]) => {
    throw new Error('--etcd needs etcd on the PATH, or the address of one in ETCD_ENDPOINTS', {
      cause: error,
    })
  })
  process.once('exit', () => etcd.kill('SIGKILL'))
  await Promise.race([failed, answers(client)])
  return {
    endpoints: [client],
    async [Symbol.asyncDispose]() {
      const exited = once(etcd, 'exit')
      etcd.kill('SIGTERM')
      await exited
    },
  }
}

async function answers(endpoint: string): Promise<void> {
  const store = await openEtcdStore({ endpoints: [endpoint], requestTimeoutMs: 10_000 })
  await store.close()
}

async function freePorts(count: number): Promise<number[]> {
  const servers = Array.from({ length: count }, () => createServer().listen(0, '127.0.0.1'))
  await Promise.all(servers.map((server) => once(server, 'listening')))
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
