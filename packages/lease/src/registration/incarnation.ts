import { mkdir, open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { checkString } from '@holdfast/core'
import { leaseError } from '../errors.ts'

const fileName = 'incarnation'

/**
 * Counts the starts that used this folder: 1, then 2, and so on. Call it once when the process starts.
 *
 * The number is on disk (fsync of the file and of the folder) before it is returned, so no
 * crash or power cut lets a later start get the same. The folder is made where it is missing; if
 * it is lost, counting begins anew. Two processes that start at once on one folder may get the same
 * number: as equals, neither takes the other's place. `INCARNATION_DAMAGED` when the file holds no number.
 */
export async function nextIncarnation(folder: string): Promise<number> {
  const path = join(checkString('folder', folder), fileName)
  await mkdir(folder, { recursive: true })
  const next = (await read(path)) + 1
  const temporary = `${path}.${process.pid}.tmp`
  await writeDurably(temporary, `${next}\n`)
  await rename(temporary, path)
  await syncFolder(folder)
  return next
}

async function read(path: string): Promise<number> {
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return '0'
    throw error
  })
  const count = /^\d{1,15}\n?$/.test(text) ? Number(text) : Number.NaN
  if (Number.isSafeInteger(count)) return count
  throw leaseError(
    'INCARNATION_DAMAGED',
    `${path} holds no number: write one into it that is higher than any incarnation used so far`,
    { fields: { path } },
  )
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'w', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

async function syncFolder(folder: string): Promise<void> {
  const handle = await open(folder, 'r')
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}
