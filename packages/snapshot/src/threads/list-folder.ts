import { lstatSync, readdirSync } from 'node:fs'
import { entryPath, fsPath, nameOfBytes } from '../format/names.ts'
import { type ListedEntry, type Listing, listedEntry } from '../source/listing.ts'
import type { StopFlag } from './stop-flag.ts'

export interface ListOrder {
  readonly kind: 'list'
  readonly path: string
}

/** JSON of a `Listing`, or of null for a folder that is better read by who can tell what is wrong, or is very large. */
export type ListAnswer = string

/** Of more entries than this the answer would be too much in one piece. */
const mostEntries = 20_000

export function listFolder({ path }: ListOrder, flag: StopFlag): ListAnswer {
  return JSON.stringify(listed(path, flag))
}

function listed(path: string, flag: StopFlag): Listing | null {
  const names = namesIn(path)
  if (!names || names.length > mostEntries) return null
  return names.sort(Buffer.compare).map((bytes) => {
    flag.throwIfStopped()
    const name = nameOfBytes(bytes)
    return entryAt(path, name) ?? name
  })
}

function namesIn(path: string): Buffer[] | undefined {
  try {
    return readdirSync(fsPath(path), { encoding: 'buffer' })
  } catch {
    return undefined
  }
}

function entryAt(folder: string, name: string): ListedEntry | undefined {
  try {
    return listedEntry(name, lstatSync(fsPath(entryPath(folder, name)), { bigint: true }))
  } catch {
    return undefined
  }
}
