// node dist/main.js: what the unit file, the manifests and the image start. Its environment is described in environment.ts.
import { agentLogLevels, logEvents } from '@holdfast/agent'
import { createEdgeAgent } from './agent.ts'
import { ownEnvironment } from './environment.ts'

const agent = createEdgeAgent({ environment: ownEnvironment(), systemd: process.env })
logEvents(agent, console, agentLogLevels)
await agent
  .run({ process })
  .catch(() => console.error('It did not end well: the lines above tell why, the exit code of what kind.'))
