import { open } from 'node:fs/promises'

const mostTries = 20

/**
 * A file's text as of one moment, `undefined` when there is none: read again while it is being
 * written to. Rejects with the system's error, or when the file is too long or never at rest.
 */
export async function readSteadily(path: string, maxBytes: number): Promise<string | undefined> {
  for (let tries = 1; tries <= mostTries; tries += 1) {
    const text = await readOnce(path, maxBytes)
    if (text !== changing) return text
  }
  throw new Error(`${path} was changing during each of ${mostTries} readings`)
}

const changing: unique symbol = Symbol('changing')

async function readOnce(path: string, maxBytes: number): Promise<string | undefined | typeof changing> {
  const file = await open(path, 'r').catch((error: unknown) => {
    if (isAbsence(error)) return undefined
    throw error
  })
  if (!file) return undefined
  try {
    const before = await file.stat({ bigint: true })
    if (before.size > BigInt(maxBytes)) throw new Error(`${path} is longer than ${maxBytes} bytes`)
    const text = await file.readFile('utf8')
    const after = await file.stat({ bigint: true })
    return before.mtimeNs === after.mtimeNs && before.size === after.size ? text : changing
  } finally {
    await file.close()
  }
}

/** No such file or folder; a symlink that leads nowhere is none either. */
export function isAbsence(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(String((error as NodeJS.ErrnoException).code))
}
