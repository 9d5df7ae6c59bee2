// node examples/leader-failover/dist/main.js [--etcd]
import { systemClock } from '@holdfast/core'
import { connectTo, etcdEndpoints } from './connect.ts'
import { tellStory } from './story.ts'

const { ledger, leaders } = await tellStory({
  connect: connectTo(systemClock, etcdEndpoints(process.argv)),
  clock: systemClock,
  ttlMs: 2_000,
  say: (line) => console.log(line),
})
console.log(
  `led: ${leaders.join(', then ')}; ${ledger.lines.length} lines written, ${ledger.refused} refused`,
)
