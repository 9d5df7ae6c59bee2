import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { type OciStore, ociStore } from '@holdfast/oci'
import { startMemoryRegistry } from '@holdfast/oci/testing'

export interface Archive extends AsyncDisposable {
  readonly store: OciStore
  /** What answers there. */
  readonly what: string
}

const repository = 'edge/state'

/**
 * The registry at `address` (`https://registry/namespace/name`), as REGISTRY_USERNAME with
 * REGISTRY_PASSWORD if set; else a real one from the PATH, started here, on loopback, until
 * disposed; else a small one in this process.
 */
export async function findArchive(folder: string, address: string | undefined): Promise<Archive> {
  if (address !== undefined) {
    const { REGISTRY_USERNAME: username, REGISTRY_PASSWORD: password = '' } = process.env
    const store = ociStore(address, username === undefined ? {} : { credentials: { username, password } })
    return { store, what: 'a registry of yours', [Symbol.asyncDispose]: async () => {} }
  }
  return (await startReal(folder)) ?? (await startSmall())
}

async function startSmall(): Promise<Archive> {
  const registry = await startMemoryRegistry({ authentication: 'bearer' })
  const store = ociStore(`${registry.url}/${repository}`, { credentials: registry.credentials })
  const what = 'a small registry in memory (no docker-registry is on the PATH)'
  return { store, what, [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose]() }
}

/** Docker's registry, as Debian calls it; undefined where there is none. */
async function startReal(folder: string): Promise<Archive | undefined> {
  const host = `127.0.0.1:${await freePort()}`
  const config = join(folder, 'registry.yml')
  const storage = `{filesystem: {rootdirectory: ${JSON.stringify(join(folder, 'registry'))}}}`
  await writeFile(config, `version: 0.1\nlog: {level: error}\nstorage: ${storage}\nhttp: {addr: '${host}'}\n`)
  const child = spawn('docker-registry', ['serve', config], { stdio: 'ignore' })
  const missing = once(child, 'error').then(() => true)
  if (await Promise.race([missing, answered(`http://${host}/v2/`, child)])) return undefined
  return {
    store: ociStore(`http://${host}/${repository}`),
    what: "Docker's registry, started here",
    [Symbol.asyncDispose]: () => end(child),
  }
}

/** Resolves to false when it answers. */
async function answered(url: string, child: ChildProcess): Promise<false> {
  for (let tries = 0; tries < 200 && child.exitCode === null; tries += 1) {
    const up = await fetch(url).then(
      ({ ok }) => ok,
      () => false, // It is starting.
    )
    if (up) return false
    await pause(50)
  }
  await end(child)
  throw new Error('docker-registry is there but does not start')
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.pid === undefined) return
  const exited = once(child, 'exit')
  child.kill('SIGTERM')
  await exited
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  await once(server.close(), 'close')
  return port
}
