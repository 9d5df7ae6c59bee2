import { expect, test } from 'vitest'
import { createFeed } from './change.ts'
import type { Instance } from './instance.ts'

const instance = (id: string): Instance<number> => ({
  ...{ service: 's', id, incarnation: 1, metadata: 1, draining: false, suspect: false },
  ...{ createRevision: 1, modRevision: 1 },
})

test('a consumer that never reads costs no memory for those who came and went unseen', () => {
  const asked: string[] = []
  const feed = createFeed<number>(1, (id) => {
    asked.push(id)
    return id === 'stays' ? instance('stays') : undefined
  })
  const gone = instance('known')
  feed.push({ revision: 1, instances: [{ id: 'stays', before: undefined, after: instance('stays') }] })
  feed.push({ revision: 2, instances: [{ id: 'known', before: gone, after: undefined }] })
  for (let number = 0; number < 100; number += 1) {
    const id = `short${number}`
    feed.push({ revision: 3, instances: [{ id, before: undefined, after: instance(id) }] })
    feed.push({ revision: 4, instances: [{ id, before: instance(id), after: undefined }] })
  }
  expect(feed.take()).toEqual({
    ...{ revision: 4, added: [instance('stays')], changed: [], removed: [gone], resync: 'lagged' },
  })
  expect(asked).toEqual(['stays', 'known'])
  expect(feed.take()).toBeUndefined()
})
