import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import zlib from 'node:zlib'
import {
  type BackupResult,
  directory,
  folderStore,
  openRepository,
  type Repository,
} from '@holdfast/snapshot'
import { resticPeer } from './peers.ts'
import { makeTree } from './tree.ts'

const parent = join(fileURLToPath(new URL('../../..', import.meta.url)), '.cache')
const key = new Uint8Array(32).fill(3)
/** The better one that this Node has; restic uses zstd. */
const compression = 'zstdCompress' in zlib ? 'zstd' : 'brotli'

export interface State {
  /** The files. */
  readonly tree: string
  /** Holds `repository`, ours with one snapshot in it. */
  readonly ours: string
  readonly quick: boolean
}

let making: Promise<State> | undefined
let resticMaking: Promise<string> | undefined

/** The tree and a first snapshot of it, made once for all rows and gone with the process. */
export function preparedState(quick: boolean): Promise<State> {
  making ??= (async () => {
    const root = join(parent, `bench-snapshot-${process.pid}`)
    mkdirSync(root, { recursive: true })
    process.once('exit', () => rmSync(root, { recursive: true, force: true }))
    const state = { tree: join(root, 'tree'), ours: join(root, 'ours'), quick }
    await makeTree(state.tree, quick)
    await using repository = await openIn(state.ours)
    await takeSnapshot(repository, state.tree)
    return state
  })()
  return making
}

/** A restic repository of the same tree, made once: the folder that holds it. */
export function preparedRestic(quick: boolean): Promise<string> {
  resticMaking ??= (async () => {
    const { tree } = await preparedState(quick)
    const folder = join(tree, '../peer')
    mkdirSync(folder)
    await resticPeer.init(folder)
    await resticPeer.backup(folder, tree)
    return folder
  })()
  return resticMaking
}

/** Opens our repository in the folder, as an agent does once for all its backups, or makes it. */
export function openIn(folder: string): Promise<Repository> {
  return openRepository(folderStore(join(folder, 'repository')), { key, compression })
}

export function takeSnapshot(repository: Repository, tree: string): Promise<BackupResult> {
  return repository.backup(directory(tree), { name: 'bench' })
}
