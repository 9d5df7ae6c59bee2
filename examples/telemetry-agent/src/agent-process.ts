// The agent as its own process: node agent-process.js '{ …TelemetryAgentOptions, "etcd": ["host:port"] }'
import { agentLogLevels, logEvents } from '@holdfast/agent'
import { openEtcdStore } from '@holdfast/etcd'
import { createTelemetryAgent, type TelemetryAgentOptions } from './agent.ts'

const { etcd, ...options } = JSON.parse(process.argv[2] ?? '{}') as TelemetryAgentOptions & {
  etcd?: string[]
}
const agent = createTelemetryAgent({
  ...options,
  // A wrong address is told at once. With `connect: 'later'` the agent boots, reads and ships while etcd is down.
  adapters: etcd ? { store: () => openEtcdStore({ endpoints: etcd }) } : {},
})
logEvents(agent, console, agentLogLevels)
await agent.run({ process })
