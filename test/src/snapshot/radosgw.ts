import { execFileSync, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { AwsClient } from 'aws4fetch'
import { debianPackages } from '../support/debian.ts'
import { guard } from '../support/guard.ts'
import { freePorts, untilAnswered } from '../support/ports.ts'

/** Debian's Ceph with its S3 gateway, and the libraries that the three servers need: no manager, no Python. */
const packages = [
  ...['radosgw', 'ceph-mon', 'ceph-osd', 'ceph-base', 'ceph-common', 'librados2', 'librbd1', 'libcephfs2'],
  ...['librgw2', 'libradosstriper1', 'libboost-thread1.74.0', 'libboost-context1.74.0', 'libfmt9'],
  ...['libibverbs1', 'librdmacm1', 'libnl-3-200', 'libnl-route-3-200', 'libtcmalloc-minimal4'],
  ...['libgoogle-perftools4', 'liblua5.3-0', 'liboath0', 'librabbitmq4', 'libaio1', 'libsnappy1v5'],
  ...['libleveldb1d', 'libdaxctl1', 'libndctl6', 'libpmem1', 'libfuse2'],
]

export const radosgwFolder: string | undefined =
  process.env['HOLDFAST_DEEP'] === '1' ? debianPackages('ceph', packages) : undefined

export interface Radosgw extends AsyncDisposable {
  readonly endpoint: string
  readonly bucket: string
  readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string }
  /** A host's name under which buckets are hosts of their own. */
  readonly domain: string
}

/** Starts a whole Ceph on loopback, of one monitor and one OSD in memory, with an S3 gateway and a bucket. */
export async function startRadosgw(folder: string): Promise<Radosgw> {
  const [monitorPort, port] = (await freePorts(2)) as [number, number]
  const cluster = createCluster(folder, monitorPort, port)
  const credentials = { accessKeyId: 'access', secretAccessKey: 'secret' }
  const endpoint = `http://127.0.0.1:${port}`
  try {
    const address = `[v1:127.0.0.1:${monitorPort}]`
    cluster.run('monmaptool', '--create', '--fsid', cluster.id, '--addv', 'a', address, 'monmap')
    cluster.run('ceph-mon', '--mkfs', '-i', 'a', '--monmap', 'monmap')
    cluster.start('ceph-mon', '-i', 'a')
    cluster.run('ceph-osd', '-i', '0', '--mkfs', '--osd-uuid', randomUUID())
    await cluster.startLasting('ceph-osd', '-i', '0')
    const keys = ['--access-key', credentials.accessKeyId, '--secret-key', credentials.secretAccessKey]
    cluster.run('radosgw-admin', 'user', 'create', '--uid', 'holdfast', '--display-name', 'holdfast', ...keys)
    cluster.start('radosgw', '-n', 'client.rgw')
    await untilAnswered(endpoint)
    const client = new AwsClient({ ...credentials, service: 's3', region: 'us-east-1' })
    const { status } = await client.fetch(`${endpoint}/bucket`, { method: 'PUT' })
    if (status !== 200) throw new Error(`radosgw makes no bucket: ${status}`)
  } catch (error) {
    await cluster.stop()
    throw error
  }
  return { endpoint, bucket: 'bucket', credentials, domain: 's3.test', [Symbol.asyncDispose]: cluster.stop }
}

function createCluster(folder: string, monitorPort: number, port: number) {
  const id = randomUUID()
  const library = join(radosgwFolder!, 'usr/lib/x86_64-linux-gnu')
  for (const name of ['mon', 'osd', 'rgw', 'run']) mkdirSync(join(folder, name), { recursive: true })
  writeFileSync(
    join(folder, 'ceph.conf'),
    `[global]
fsid = ${id}
mon_host = v1:127.0.0.1:${monitorPort}
public_addr = 127.0.0.1
auth_cluster_required = none
auth_service_required = none
auth_client_required = none
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 4
osd_pool_default_pg_autoscale_mode = off
osd_crush_chooseleaf_type = 0
osd_objectstore = memstore
memstore_device_bytes = 2147483648
ms_mon_client_mode = crc
mon_allow_pool_size_one = true
plugin_dir = ${library}/ceph
erasure_code_dir = ${library}/ceph/erasure-code
osd_class_dir = ${radosgwFolder}/usr/lib/x86_64-linux-gnu/rados-classes
run_dir = ${folder}/run
admin_socket = ${folder}/run/$name.asok
log_file = ${folder}/$name.log
pid_file = ${folder}/run/$name.pid
mon_data = ${folder}/mon
mon_cluster_log_file = ${folder}/cluster.log
osd_data = ${folder}/osd
rgw_data = ${folder}/rgw
rgw_dns_name = s3.test
rgw_frontends = beast endpoint=127.0.0.1:${port}
`,
  )
  const env = {
    ...process.env,
    LD_LIBRARY_PATH: `${library}:${library}/ceph:${radosgwFolder}/lib/x86_64-linux-gnu`,
  }
  const children: ReturnType<typeof spawn>[] = []
  return { id, run, start, startLasting, stop }

  function run(program: string, ...args: string[]): void {
    const common = program === 'monmaptool' ? [] : ['-c', 'ceph.conf']
    execFileSync(join(radosgwFolder!, 'usr/bin', program), [...common, ...args], {
      cwd: folder,
      env,
      stdio: 'pipe',
      timeout: 60_000,
    })
  }

  function start(program: string, ...args: string[]): ReturnType<typeof spawn> {
    const command = join(radosgwFolder!, 'usr/bin', program)
    const child = spawn(command, ['-c', 'ceph.conf', '-f', ...args], { cwd: folder, env, stdio: 'ignore' })
    children.push(child)
    guard(child)
    return child
  }

  /** An OSD may speak to its monitor before it has learned the cluster's id, and leave: then it is started again. */
  async function startLasting(program: string, ...args: string[]): Promise<void> {
    for (let tries = 0; tries < 20; tries += 1) {
      const ended = once(start(program, ...args), 'exit').then(() => true)
      if (!(await Promise.race([ended, pause(2_000)]))) return
    }
    throw new Error(`${program} does not stay up`)
  }

  async function stop(): Promise<void> {
    for (const child of children.reverse()) {
      const ended = child.exitCode === null ? once(child, 'exit') : undefined
      child.kill('SIGKILL')
      await ended
    }
  }
}
