import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe } from 'vitest'

export interface Certificate {
  cert: string
  key: string
}

/** `describe` for tests that need OpenSSL's command: skipped, loudly, where it is missing. */
export const describeOpenssl: typeof describe.skip | typeof describe = hasOpenssl() ? describe : describe.skip

/** A certificate authority whose files stand in a folder. */
export interface Authority {
  ca: string
  /** Issues a certificate for servers and clients. @default for 127.0.0.1 and localhost */
  issue(name: string, hosts?: string): Certificate
}

export function createAuthority(folder: string, name = 'ca'): Authority {
  const ca = join(folder, `${name}.crt`)
  const key = join(folder, `${name}.key`)
  openssl('req', '-x509', ...newKey(key), '-out', ca, '-days', '2', '-subj', `/CN=${name}`)
  return {
    ca,
    issue(subject, hosts = 'IP:127.0.0.1,DNS:localhost') {
      const files = { cert: join(folder, `${subject}.crt`), key: join(folder, `${subject}.key`) }
      const request = join(folder, `${subject}.csr`)
      const extensions = join(folder, `${subject}.ext`)
      writeFileSync(extensions, `subjectAltName=${hosts}\nextendedKeyUsage=serverAuth,clientAuth\n`)
      openssl('req', ...newKey(files.key), '-out', request, '-subj', `/CN=${subject}`)
      const signed = ['-CA', ca, '-CAkey', key, '-CAcreateserial', '-extfile', extensions]
      openssl('x509', '-req', '-in', request, ...signed, '-out', files.cert, '-days', '2')
      return files
    },
  }
}

function newKey(file: string): string[] {
  return ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', file]
}

function openssl(...args: string[]): void {
  const { status, stderr } = spawnSync('openssl', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`openssl ${args[0]} ended with ${status}: ${stderr}`)
}

function hasOpenssl(): boolean {
  if (spawnSync('openssl', ['version']).status === 0) return true
  if (process.env['CI'] === 'true') throw new Error('openssl is needed')
  console.warn('SKIPPED: tests with certificates. openssl is not on the PATH')
  return false
}
