// The agent as its own process: node agent-process.js '{ …TelemetryAgentOptions, "etcd": ["host:port"] }'
import { agentLogLevels, logEvents } from '@holdfast/agent'
import { openEtcdStore } from '@holdfast/etcd'
import { createTelemetryAgent, type TelemetryAgentOptions } from './agent.ts'

const { etcd, ...options } = JSON.parse(process.argv[2] ?? '{}') as TelemetryAgentOptions & {
  etcd?: string[]
}
const agent = createTelemetryAgent({
  ...options,
  adapters: etcd ? { store: () => openEtcdStore({ endpoints: etcd, connect: 'later' }) } : {},
})
logEvents(agent, console, agentLogLevels)
await agent.run({ process })
