import { coordinationError } from '../errors.ts'
import { selects } from '../keys.ts'
import type { Comparison, Entry, Operation, Selection, Transaction } from '../store.ts'

/** etcd's `--max-txn-ops`, for each of the three lists. */
const maxOperations = 128

/** Refuses what etcd refuses before it looks at any key. */
export function checkTransaction({ when = [], then, else: otherwise = [] }: Transaction): void {
  for (const list of [when, then, otherwise])
    if (list.length > maxOperations)
      throw refused(`a transaction may hold ${maxOperations} operations, got ${list.length}: split it`)
  for (const { key } of when) checkKey(key)
  for (const list of [then, otherwise]) checkOperations(list)
}

/** Puts of one list must differ in key, and no deletion beside them may cover one. */
function checkOperations(operations: readonly Operation[]): void {
  const puts = new Set<string>()
  for (const operation of operations) {
    if (operation.kind !== 'put') checkSelection(operation.at)
    else if (puts.has(checkKey(operation.key))) throw duplicate(operation.key)
    else puts.add(operation.key)
  }
  for (const operation of operations) {
    if (operation.kind !== 'delete') continue
    for (const key of puts) if (selects(operation.at, key)) throw duplicate(key)
  }
}

export function checkSelection(selection: Selection): void {
  if ('key' in selection) checkKey(selection.key)
}

function checkKey(key: string): string {
  if (key === '') throw refused('a key must have at least one character')
  if (/\p{Surrogate}/u.test(key)) throw refused(`the key ${JSON.stringify(key)} has half a surrogate pair`)
  return key
}

function duplicate(key: string): Error {
  return refused(`the key ${JSON.stringify(key)} is written twice in one transaction`, { key })
}

function refused(message: string, fields: Record<string, unknown> = {}): Error {
  return coordinationError('STORE_REFUSED', message, { fields })
}

/** Whether a comparison holds for what stands at its key. */
export function holds(comparison: Comparison, entry: Entry | undefined): boolean {
  const order = orderOf(comparison, entry)
  if (order === undefined) return false
  switch (comparison.is) {
    case '=':
      return order === 0
    case '!=':
      return order !== 0
    case '<':
      return order < 0
    case '>':
      return order > 0
  }
}

/** Below, at or above 0 as what stands there is less than, equal to or more than `to`; undefined where nothing can be compared. */
function orderOf(comparison: Comparison, entry: Entry | undefined): number | undefined {
  switch (comparison.target) {
    case 'value':
      return entry && Buffer.compare(entry.value, comparison.to)
    case 'leaseId':
      return Number(BigInt(entry?.leaseId ?? '0') - BigInt(comparison.to || '0'))
    default:
      return (entry?.[comparison.target] ?? 0) - comparison.to
  }
}
