import { expect, test } from 'vitest'
import { createIdentity } from './identity.ts'

const header = (cluster_id: string, revision: number, raft_term: number) => ({
  cluster_id,
  member_id: '1',
  revision: String(revision),
  raft_term: String(raft_term),
})

function subject() {
  const changes: string[] = []
  const identity = createIdentity((before, now) => changes.push(`${before} → ${now}`))
  const connect = (cluster: string, revision: number, term: number): string =>
    identity.connecting()(header(cluster, revision, term)).clusterId
  return { changes, identity, connect }
}

test('the same history keeps its name, however often we connect', () => {
  const { changes, identity, connect } = subject()
  expect(connect('7', 1, 2)).toBe('7')
  expect(identity.header(header('7', 9, 2))).toEqual({ clusterId: '7', revision: 9 })
  expect(connect('7', 9, 3)).toBe('7')
  expect(changes).toEqual([])
})

test('a revision that went back is another history, and so is a term', () => {
  const { changes, identity, connect } = subject()
  connect('7', 1, 2)
  identity.header(header('7', 9, 2))
  expect(connect('7', 8, 2)).toBe('7#1')
  expect(identity.header(header('7', 20, 4)).clusterId).toBe('7#1')
  expect(connect('7', 30, 2)).toBe('7#2')
  expect(connect('8', 30, 2)).toBe('8#2')
  expect(changes).toEqual(['7 → 7#1', '7#1 → 7#2', '7#2 → 8#2'])
})

test('what is heard while a new connection is made does not make its answer old', () => {
  const { identity, connect } = subject()
  connect('7', 1, 2)
  const connected = identity.connecting()
  identity.header(header('7', 9, 2))
  expect(connected(header('7', 5, 2)).clusterId).toBe('7')
})
