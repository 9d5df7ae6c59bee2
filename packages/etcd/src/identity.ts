import type { Header } from '@holdfast/coordination'
import type { IResponseHeader } from 'etcd3'
import { toNumber } from './int64.ts'

/**
 * Tells one history of etcd from another.
 *
 * etcd derives its cluster id from its members' configuration, so one that was wiped, or restored
 * from a backup, and started as before has the same. What gives it away is that its revision or its
 * raft term went back: then a counter is added to the id. One that overtook both before we
 * connected again is not told apart.
 */
export interface Identity {
  /** Reads a header, and remembers how far this history has come. */
  header(header: IResponseHeader): Header
  /** To be called before a linearizable read on a new connection; the returned function takes the answer's header. */
  connecting(): (answer: IResponseHeader) => Header
}

export function createIdentity(onChanged: (before: string, now: string) => void): Identity {
  let clusterId: string | undefined
  let rollbacks = 0
  let revision = 0
  let term = 0

  return {
    header,
    connecting() {
      const before = { revision, term }
      return (answer) => {
        const wentBack =
          toNumber(answer.revision) < before.revision || toNumber(answer.raft_term) < before.term
        if (clusterId !== undefined && (answer.cluster_id !== clusterId || wentBack)) change(answer)
        clusterId = answer.cluster_id
        return header(answer)
      }
    },
  }

  function header(received: IResponseHeader): Header {
    revision = Math.max(revision, toNumber(received.revision))
    term = Math.max(term, toNumber(received.raft_term))
    return { clusterId: name(received.cluster_id), revision: toNumber(received.revision) }
  }

  function change(answer: IResponseHeader): void {
    const before = name(clusterId!)
    if (answer.cluster_id === clusterId) rollbacks += 1
    revision = 0
    term = 0
    onChanged(before, name(answer.cluster_id))
  }

  function name(id: string): string {
    return rollbacks === 0 ? id : `${id}#${rollbacks}`
  }
}
