// node examples/service-discovery/dist/main.js [--etcd]
import { systemClock } from '@holdfast/core'
import { connectTo, etcdEndpoints } from './connect.ts'
import { tellStory } from './story.ts'

const { answered, retries, served } = await tellStory({
  connect: connectTo(systemClock, etcdEndpoints(process.argv)),
  clock: systemClock,
  ttlMs: 2_000,
  say: (line) => console.log(line),
})
console.log(`${answered} requests, all answered, ${retries} of them at the second try or later;`)
console.log(`served: ${JSON.stringify(served)}`)
