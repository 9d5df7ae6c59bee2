import type { BigIntStats } from 'node:fs'
import type { Attributes } from '../format/tree.ts'
import { attributesOf, fileAttributes } from './file-stat.ts'
import type { FileAttributes } from './source.ts'

/** What a folder holds, by its names in the order of their bytes. Of a name alone there is more to find out than `lstat` tells. */
export type Listing = readonly (ListedEntry | string)[]

/** What `lstat` tells of an entry. */
export type ListedEntry =
  | { readonly type: 'file'; readonly name: string; readonly attributes: FileAttributes }
  | { readonly type: 'folder' | 'special'; readonly name: string; readonly attributes: Attributes }

/** Undefined for a symbolic link, which is to be read. */
export function listedEntry(name: string, found: BigIntStats): ListedEntry | undefined {
  if (found.isSymbolicLink()) return undefined
  if (found.isFile()) return { type: 'file', name, attributes: fileAttributes(found) }
  return { type: found.isDirectory() ? 'folder' : 'special', name, attributes: attributesOf(found) }
}
