import { checkMethods } from '@holdfast/core'
import { type Context, listRefs } from '../context.ts'
import { copyTo } from '../copy.ts'
import { snapshotError } from '../errors.ts'
import type { Ref } from '../format/layout.ts'
import type { OperationOptions } from '../snapshot.ts'
import { type BlobStore, blobStoreMethods } from '../store/store.ts'
import { checkPolicy, checkTimeZone, type RetentionPolicy, selectKept } from './retention.ts'

export interface ForgetOptions extends Pick<OperationOptions, 'signal'> {
  /** What to keep of each name. */
  keep: RetentionPolicy
  /** Only snapshots of this name. Every name by default, each by itself. */
  name?: string
  /**
   * Where snapshots go before they are forgotten here, such as a bucket or a registry that keeps
   * them for a year: each is copied first, as by `copyTo`, and forgotten when that is complete.
   */
  archive?: BlobStore
  /** Only tells what would be forgotten. @default false */
  dryRun?: boolean
  /** Without it a policy that would forget every snapshot of a name is refused with a RangeError. @default false */
  allowForgetAll?: boolean
  /** Where days begin, such as `Europe/Berlin`. @default 'UTC' */
  timeZone?: string
}

export interface ForgetResult {
  readonly kept: readonly ForgottenSnapshot[]
  readonly forgotten: readonly ForgottenSnapshot[]
}

/** A snapshot by what its ref says, so that also a damaged one can be forgotten. */
export interface ForgottenSnapshot {
  readonly digest: string
  readonly name: string
  readonly timeMs: number
}

/** Takes away refs, the oldest first, and nothing else. A copy that fails ends it: what is not archived stays. */
export async function forget(context: Context, options: ForgetOptions): Promise<ForgetResult> {
  const { store } = context
  const policy = checkPolicy('keep', options.keep)
  const timeZone = checkTimeZone(options.timeZone ?? 'UTC')
  if (options.archive) checkMethods('archive', options.archive, blobStoreMethods)
  const byName = groupByName(await listRefs(store, options.name, options.signal))
  const kept: Ref[] = []
  const forgotten: Ref[] = []
  for (const [name, refs] of byName) {
    const keeps = selectKept(refs, policy, timeZone)
    if (!options.allowForgetAll && !keeps.includes(true))
      throw new RangeError(`keep would forget every snapshot of ${name}: say allowForgetAll if it should`)
    refs.forEach((ref, at) => void (keeps[at] ? kept : forgotten).push(ref))
  }
  if (!options.dryRun) for (const ref of forgotten) await release(context, ref, options)
  return { kept: kept.map(publicRef), forgotten: forgotten.map(publicRef) }
}

function groupByName(refs: readonly Ref[]): Map<string, Ref[]> {
  const groups = new Map<string, Ref[]>()
  for (const ref of refs) {
    const group = groups.get(ref.name) ?? []
    group.push(ref)
    groups.set(ref.name, group)
  }
  return groups
}

async function release(
  context: Context,
  { key, digest }: Ref,
  { archive, signal }: ForgetOptions,
): Promise<void> {
  const { store } = context
  if (!store.supports.delete)
    throw snapshotError('STORE_UNSUPPORTED', `${store.description} cannot delete`, { fields: { key } })
  if (archive) await copyTo(context, archive, digest, { signal })
  signal?.throwIfAborted()
  await store.delete(key, { signal })
}

export function publicRef({ digest, name, timeMs }: Ref): ForgottenSnapshot {
  return { digest: `sha256:${digest}`, name, timeMs }
}
