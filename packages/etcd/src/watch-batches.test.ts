import type { IEvent, IWatchResponse } from 'etcd3'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { createIdentity } from './identity.ts'
import { createNamespace } from './keys.ts'
import { createAssembler } from './watch-batches.ts'

const create = () =>
  createAssembler(
    createNamespace('n/'),
    createIdentity(() => {}),
  )

function event(key: string, revision: number, type = 'PUT'): IEvent {
  const kv = {
    key: Buffer.from(`n/${key}`),
    value: Buffer.from(type),
    create_revision: '1',
    mod_revision: String(revision),
    version: '1',
    lease: '0',
  }
  return { type, kv } as unknown as IEvent
}

function response(revision: number, events: IEvent[], fragment = false): IWatchResponse {
  const header = { cluster_id: '7', member_id: '1', revision: String(revision), raft_term: '2' }
  return { header, events, fragment } as IWatchResponse
}

test('events are put together by revision and told in the words of the port', () => {
  const batches = create()(response(9, [event('a', 3), event('b', 3, 'DELETE'), event('a', 5)]))
  expect(batches).toEqual([
    {
      clusterId: '7',
      revision: 3,
      events: [
        {
          kind: 'put',
          entry: {
            key: 'a',
            value: new Uint8Array(Buffer.from('PUT')),
            createRevision: 1,
            modRevision: 3,
            version: 1,
          },
        },
        { kind: 'delete', key: 'b', modRevision: 3 },
      ],
    },
    { clusterId: '7', revision: 5, events: [expect.objectContaining({ kind: 'put' })] },
  ])
})

test('a response without events tells how far all was reported', () => {
  expect(create()(response(9, []))).toEqual([{ clusterId: '7', revision: 9, events: [] }])
})

test('however a response is fragmented, the batches are the same', () => {
  const history = fc.array(fc.integer({ min: 1, max: 4 }), { minLength: 1, maxLength: 12 })
  fc.assert(
    fc.property(history, fc.array(fc.nat(30), { maxLength: 6 }), (sizes, cuts) => {
      const events = sizes.flatMap((size, revision) =>
        Array.from({ length: size }, (_, index) => event(`k${index}`, revision + 1)),
      )
      const ends = [...new Set(cuts.filter((cut) => cut > 0 && cut < events.length))].sort((a, b) => a - b)
      const assemble = create()
      const batches = [...ends, events.length].flatMap((end, index) =>
        assemble(response(99, events.slice(ends[index - 1] ?? 0, end), end < events.length)),
      )
      expect(batches).toEqual(create()(response(99, events)))
      expect(batches.map((batch) => batch.events.length)).toEqual(sizes)
    }),
  )
})
