import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { type Browser, chromium } from 'playwright-core'
import { debianPackages } from './debian.ts'

/** A Chromium that can be started, and what its environment needs. */
export interface ChromiumProgram {
  readonly path: string
  readonly libraries: string | undefined
}

/** The one on the PATH, else Debian's, unpacked without root; undefined, loudly, where it cannot be had. Throws when CI=true. */
export function findChromium(): ChromiumProgram | undefined {
  const onPath = (process.env['PATH'] ?? '').split(delimiter).map((folder) => join(folder, 'chromium'))
  const installed = onPath.find(existsSync)
  if (installed) return { path: installed, libraries: undefined }
  const unpacked = debianPackages('chromium', ['chromium'], { withMissing: true })
  if (!unpacked) return undefined
  const libraries = join(
    unpacked,
    'usr/lib',
    process.arch === 'arm64' ? 'aarch64-linux-gnu' : 'x86_64-linux-gnu',
  )
  return {
    path: join(unpacked, 'usr/lib/chromium/chromium'),
    libraries: [libraries, join(libraries, 'pulseaudio')].join(delimiter),
  }
}

/** Starts it headless, with nothing that would look for a network beyond this machine. */
export function launchChromium({ path, libraries }: ChromiumProgram): Promise<Browser> {
  return chromium.launch({
    executablePath: path,
    env: { ...process.env, ...(libraries && { LD_LIBRARY_PATH: libraries }) },
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
}
