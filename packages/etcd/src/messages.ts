import {
  type Comparison,
  coordinationError,
  type Entry,
  type Operation,
  type Outcome,
  type RangeOptions,
  type RangeResult,
  type Relation,
  type Selection,
  type Transaction,
  type TransactionResult,
} from '@holdfast/coordination'
import { checkInteger } from '@holdfast/core'
import type {
  ICompare,
  IKeyValue,
  IRangeRequest,
  IRangeResponse,
  IRequestOp,
  IResponseOp,
  ITxnRequest,
  ITxnResponse,
} from 'etcd3'
import type { Identity } from './identity.ts'
import { isLeaseId, toNumber } from './int64.ts'
import type { Namespace } from './keys.ts'

const relations: Record<Relation, NonNullable<ICompare['result']>> = {
  '=': 'Equal',
  '!=': 'NotEqual',
  '<': 'Less',
  '>': 'Greater',
}

export function toRange(namespace: Namespace, selection: Selection, options: RangeOptions): IRangeRequest {
  const { revision, limit, minModRevision } = options
  const unlimited = Number.POSITIVE_INFINITY
  return {
    ...namespace.range(selection),
    ...(revision === undefined ? {} : { revision: checkInteger('revision', revision, { min: 1 }) }),
    ...(limit === undefined || checkInteger('limit', limit, { min: 1, max: unlimited }) === unlimited
      ? {}
      : { limit }),
    ...(minModRevision === undefined
      ? {}
      : { min_mod_revision: checkInteger('minModRevision', minModRevision, { min: 0 }) }),
  }
}

export function fromRange(namespace: Namespace, identity: Identity, response: IRangeResponse): RangeResult {
  return {
    ...identity.header(response.header),
    entries: response.kvs.map((stored) => toEntry(namespace, stored)),
    count: toNumber(response.count),
  }
}

export function toTransaction(namespace: Namespace, transaction: Transaction): ITxnRequest {
  const { when = [], then, else: otherwise = [] } = transaction
  return {
    compare: when.map((comparison) => toCompare(namespace, comparison)),
    success: then.map((operation) => toOperation(namespace, operation)),
    failure: otherwise.map((operation) => toOperation(namespace, operation)),
  }
}

export function fromTransaction(
  namespace: Namespace,
  identity: Identity,
  response: ITxnResponse,
): TransactionResult {
  return {
    ...identity.header(response.header),
    succeeded: response.succeeded,
    outcomes: response.responses.map((outcome) => toOutcome(namespace, outcome)),
  }
}

export function toEntry(namespace: Namespace, stored: IKeyValue): Entry {
  return {
    key: namespace.decode(stored.key),
    value: new Uint8Array(stored.value),
    createRevision: toNumber(stored.create_revision),
    modRevision: toNumber(stored.mod_revision),
    version: toNumber(stored.version),
    ...(stored.lease === '0' ? {} : { leaseId: stored.lease }),
  }
}

/** Refuses what etcd could not even read; an unknown number is left to etcd. */
export function checkLeaseId(leaseId: string): string {
  if (isLeaseId(leaseId)) return leaseId
  const problem = `lease ${JSON.stringify(leaseId)} is none that etcd could have granted`
  throw coordinationError('LEASE_NOT_FOUND', problem, { fields: { leaseId } })
}

function toCompare(namespace: Namespace, comparison: Comparison): ICompare {
  const base = { key: namespace.key(comparison.key), result: relations[comparison.is] }
  switch (comparison.target) {
    case 'createRevision':
      return { ...base, target: 'Create', create_revision: comparison.to }
    case 'modRevision':
      return { ...base, target: 'Mod', mod_revision: comparison.to }
    case 'version':
      return { ...base, target: 'Version', version: comparison.to }
    case 'value':
      return { ...base, target: 'Value', value: Buffer.from(comparison.to) }
    case 'leaseId':
      return { ...base, target: 'Lease', lease: comparison.to === '' ? '0' : checkLeaseId(comparison.to) }
  }
}

function toOperation(namespace: Namespace, operation: Operation): IRequestOp {
  switch (operation.kind) {
    case 'put': {
      const { leaseId } = operation
      const put = { key: namespace.key(operation.key), value: Buffer.from(operation.value) }
      return { request_put: leaseId === undefined ? put : { ...put, lease: checkLeaseId(leaseId) } }
    }
    case 'delete':
      return { request_delete_range: namespace.range(operation.at) }
    case 'range':
      return { request_range: namespace.range(operation.at) }
  }
}

function toOutcome(namespace: Namespace, response: IResponseOp): Outcome {
  if (response.response_delete_range)
    return { kind: 'delete', deleted: toNumber(response.response_delete_range.deleted) }
  if (response.response_range)
    return { kind: 'range', entries: response.response_range.kvs.map((stored) => toEntry(namespace, stored)) }
  return { kind: 'put' }
}
