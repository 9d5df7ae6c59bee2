import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { isHoldfastError } from '@holdfast/core'
import type { OciStore } from '@holdfast/oci'
import { directory, folderStore, openRepository, type Progress, type Repository } from '@holdfast/snapshot'
import { liveADay, stateOf } from './state.ts'

export interface StoryOptions {
  /** For the edge host's state and repository, and for the other host's. */
  folder: string
  /** `registry/namespace/name`. */
  archive: OciStore
  say: (line: string) => void
  progress: (what: string) => (progress: Progress) => void
  /** @default 3 */
  days?: number
  /** Of the part of the state that stays. @default 24 MiB */
  modelBytes?: number
}

/** One snapshot, from its push to its return. */
export interface Row {
  readonly tag: string
  readonly digest: string
  /** Of the state, and what of it the registry lacked. */
  readonly bytes: number
  readonly sentBytes: number
  /** What the state was, and what came back: SHA-256 of all that is in the folder. */
  readonly state: string
  readonly restored: string
  readonly intact: boolean
}

type Pushed = Omit<Row, 'restored' | 'intact'>

/**
 * An edge host pushes its state to an image registry every evening, and burns down. Another one,
 * with nothing but the registry's address, gets every day back, bit for bit.
 */
export async function tellStory(options: StoryOptions): Promise<Row[]> {
  const { folder, archive, say } = options
  const host = join(folder, 'edge-7')
  const pushed = await pushDays(host, options)
  await rm(host, { recursive: true })
  say('the host is lost, with its state and its repository')

  const other = join(folder, 'edge-8')
  await mkdir(other)
  await using remote = await openRepository(archive, { create: false })
  await using local = await openRepository(folderStore(join(other, 'repository')))
  const rows: Row[] = []
  for (const day of pushed) {
    const restored = await pull(remote, local, join(other, day.tag), day, options)
    rows.push({ ...day, restored, intact: restored === day.state })
  }
  return rows
}

/** Lives, backs up to the host's own disk, and sends the registry what that lacks, day after day. */
async function pushDays(host: string, options: StoryOptions): Promise<Pushed[]> {
  const { archive, say, progress, days = 3, modelBytes = 24 << 20 } = options
  const state = join(host, 'state')
  await using repository = await openRepository(folderStore(join(host, 'repository')))
  const pushed: Pushed[] = []
  for (let day = 1; day <= days; day += 1) {
    await liveADay(state, day, modelBytes)
    const snapshot = await repository.backup(directory(state), { name: 'edge-7/state' })
    const sent = await repository.copyTo(archive, snapshot, { onProgress: progress('push') })
    const tag = `day-${day}`
    await archive.tag(sent, tag)
    say(`${tag}: pushed ${sent.copied} blobs, ${archive.description}:${tag}`)
    const { digest, copiedBytes: sentBytes } = sent
    pushed.push({ tag, digest, bytes: snapshot.bytes, sentBytes, state: await stateOf(state) })
  }
  return pushed
}

/** Brings one tag home: digest, every byte, then the folder. Resolves to what the state is now, or to why there is none. */
async function pull(
  remote: Repository,
  local: Repository,
  target: string,
  { tag, digest }: Pushed,
  { archive, folder, say, progress }: StoryOptions,
): Promise<string> {
  try {
    if ((await archive.resolve(tag)) !== digest) return 'another digest'
    await remote.copyTo(folderStore(join(folder, 'edge-8/repository')), digest, {
      onProgress: progress('pull'),
    })
    await local.verify(digest, { level: 'data' })
    await local.restore(digest, target, { onProgress: progress('restore') })
    say(`${tag}: pulled, verified and restored`)
    return await stateOf(target)
  } catch (error) {
    if (!isHoldfastError(error)) throw error
    say(`${tag}: ${error.message}`)
    return error.code
  }
}
