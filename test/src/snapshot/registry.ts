import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { debianPackages } from '../support/debian.ts'
import { guard } from '../support/guard.ts'
import { freePorts, untilAnswered } from '../support/ports.ts'

/** Debian's `docker-registry`, and `skopeo` with the libraries that it needs. */
export const registryFolder: string | undefined = debianPackages('registry', [
  'docker-registry',
  'skopeo',
  'libgpgme11',
  'libassuan0',
])

export interface Registry extends AsyncDisposable {
  /** `127.0.0.1:port` */
  readonly host: string
  readonly url: string
}

/** Starts a real registry on loopback with its data in `folder`. Ended by its own process id when disposed. */
export async function startRegistry(folder: string): Promise<Registry> {
  const [port] = await freePorts(1)
  const host = `127.0.0.1:${port}`
  const config = join(folder, 'registry.yml')
  writeFileSync(
    config,
    `version: 0.1\nlog: {level: error}\nstorage: {filesystem: {rootdirectory: ${join(folder, 'data')}}}\nhttp: {addr: '${host}'}\n`,
  )
  const child = spawn(join(registryFolder!, 'usr/bin/docker-registry'), ['serve', config], {
    stdio: 'ignore',
  })
  guard(child)
  const ended = once(child, 'exit')
  const url = `http://${host}`
  await untilAnswered(`${url}/v2/`)
  return {
    host,
    url,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}
