// node examples/service-discovery/dist/main.js [--etcd]
import { isHoldfastError, systemClock } from '@holdfast/core'
import { connectTo, etcdEndpoints } from './connect.ts'
import { tellStory } from './story.ts'

try {
  const { answered, retries, served } = await tellStory({
    connect: connectTo(systemClock, etcdEndpoints(process.argv)),
    clock: systemClock,
    ttlMs: 2_000,
    say: (line) => console.log(line),
  })
  console.log(`${answered} requests, all answered, ${retries} of them at the second try or later;`)
  console.log(`served: ${JSON.stringify(served)}`)
} catch (error) {
  if (!isHoldfastError(error, 'STORE_UNAVAILABLE')) throw error
  console.error(`${error.message}\nStart an etcd, name yours in ETCD_ENDPOINTS, or leave --etcd out.`)
  process.exitCode = 1
}
