import { isDamage } from './backup/known.ts'
import { type Context, listRefs } from './context.ts'
import { snapshotOf } from './objects.ts'
import { type ForgottenSnapshot, publicRef } from './retention/forget.ts'
import type { Snapshot } from './snapshot.ts'

export interface ListOptions {
  name?: string
  /** Only snapshots that have all of these. */
  tags?: Readonly<Record<string, string>>
  /** Is told of each snapshot whose record is damaged, which is left out of the list then. Without it the call rejects. */
  onDamaged?: (snapshot: ForgottenSnapshot, error: unknown) => void
  signal?: AbortSignal | undefined
}

/** All snapshots that are asked for, from the oldest to the newest. */
export async function list(
  { store, objects }: Context,
  { name, tags = {}, signal, onDamaged }: ListOptions,
): Promise<Snapshot[]> {
  const snapshots: Snapshot[] = []
  for (const ref of await listRefs(store, name, signal)) {
    try {
      snapshots.push(snapshotOf(await objects.record(ref.digest, signal), ref.digest))
    } catch (error) {
      if (!onDamaged || !isDamage(error)) throw error
      onDamaged(publicRef(ref), error)
    }
  }
  return snapshots.filter((snapshot) =>
    Object.entries(tags).every(([tag, value]) => snapshot.tags[tag] === value),
  )
}
