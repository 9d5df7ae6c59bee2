// node examples/leader-failover/dist/main.js [--etcd]
import { isHoldfastError, systemClock } from '@holdfast/core'
import { connectTo, etcdEndpoints } from './connect.ts'
import { tellStory } from './story.ts'

try {
  const { ledger, leaders } = await tellStory({
    connect: connectTo(systemClock, etcdEndpoints(process.argv)),
    clock: systemClock,
    ttlMs: 2_000,
    say: (line) => console.log(line),
  })
  console.log(
    `led: ${leaders.join(', then ')}; ${ledger.lines.length} lines written, ${ledger.refused} refused`,
  )
} catch (error) {
  if (!isHoldfastError(error, 'STORE_UNAVAILABLE')) throw error
  console.error(`${error.message}\nStart an etcd, name yours in ETCD_ENDPOINTS, or leave --etcd out.`)
  process.exitCode = 1
}
