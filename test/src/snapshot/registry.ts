import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { debianPackages } from '../support/debian.ts'
import { freePorts } from '../support/ports.ts'

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
  const ended = once(child, 'exit')
  const url = `http://${host}`
  for (let tries = 0; !(await answers(`${url}/v2/`)); tries += 1) {
    if (tries > 200 || child.exitCode !== null) throw new Error('the registry does not start')
    await pause(25)
  }
  return {
    host,
    url,
    [Symbol.asyncDispose]: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
}

async function answers(url: string): Promise<boolean> {
  return fetch(url).then(
    (answer) => answer.ok,
    () => false,
  )
}
