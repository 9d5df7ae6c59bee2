import { type Context, listRefs } from '../context.ts'
import { snapshotError } from '../errors.ts'
import type { Ref } from '../format/layout.ts'
import type { OperationOptions } from '../snapshot.ts'
import { checkPolicy, checkTimeZone, type RetentionPolicy, selectKept } from './retention.ts'

export interface ForgetOptions extends Pick<OperationOptions, 'signal'> {
  /** What to keep of each name. */
  keep: RetentionPolicy
  /** Only snapshots of this name. Every name by default, each by itself. */
  name?: string
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

/** Takes away refs, the oldest first, and nothing else. */
export async function forget(context: Context, options: ForgetOptions): Promise<ForgetResult> {
  const { store } = context
  const policy = checkPolicy('keep', options.keep)
  const timeZone = checkTimeZone(options.timeZone ?? 'UTC')
  const byName = groupByName(await listRefs(store, options.name, options.signal))
  const kept: Ref[] = []
  const forgotten: Ref[] = []
  for (const [name, refs] of byName) {
    const keeps = selectKept(refs, policy, timeZone)
    if (!options.allowForgetAll && !keeps.includes(true))
      throw new RangeError(`keep would forget every snapshot of ${name}: say allowForgetAll if it should`)
    refs.forEach((ref, at) => void (keeps[at] ? kept : forgotten).push(ref))
  }
  if (!options.dryRun) for (const { key } of forgotten) await removeRef(context, key, options.signal)
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

async function removeRef({ store }: Context, key: string, signal?: AbortSignal): Promise<void> {
  if (!store.supports.delete)
    throw snapshotError('STORE_UNSUPPORTED', `${store.description} cannot delete`, { fields: { key } })
  signal?.throwIfAborted()
  await store.delete(key, { signal })
}

export function publicRef({ digest, name, timeMs }: Ref): ForgottenSnapshot {
  return { digest: `sha256:${digest}`, name, timeMs }
}
