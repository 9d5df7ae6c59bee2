import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import type { IOptions } from 'etcd3'
import type { CheckedOptions } from './options.ts'

/** What TLS connections are made with, read from files once. */
export interface Credentials {
  /** Undefined: the machine's authorities and no client certificate. */
  readonly pem: IOptions['credentials'] | undefined
  /** Equal for equal contents. */
  readonly digest: string
}

/**
 * Reads the files and proves that they fit together: a certificate and a key of
 * two generations, caught between two writes, are an error and never used.
 */
export async function readCredentials({
  caFile,
  certFile,
  keyFile,
}: CheckedOptions['tls']): Promise<Credentials> {
  const files = [caFile, certFile, keyFile]
  const [ca, cert, key] = await Promise.all(
    files.map((file) => (file === undefined ? undefined : readFile(file))),
  )
  const contents = { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) }
  createSecureContext(contents)
  const hash = createHash('sha256')
  for (const content of [ca, cert, key]) hash.update(`${content?.length ?? -1}:`).update(content ?? '')
  return { pem: ca || cert ? toPem({ ca, cert, key }) : undefined, digest: hash.digest('hex') }
}

function toPem({
  ca,
  cert,
  key,
}: Partial<Record<'ca' | 'cert' | 'key', Buffer | undefined>>): IOptions['credentials'] {
  return {
    // grpc-js takes `null` for the machine's authorities; etcd3 types it as required and hands it on.
    rootCertificate: (ca ?? null) as Buffer,
    ...(key && { privateKey: key }),
    ...(cert && { certChain: cert }),
  }
}
