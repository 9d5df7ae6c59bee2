// node dist/main.js: what the unit file, the manifests and the image start. Its environment is described in environment.ts.
import { agentLogLevels, logEvents } from '@holdfast/agent'
import { createEdgeAgent } from './agent.ts'
import { type Environment, readEnvironment } from './environment.ts'

/** sysexits' EX_CONFIG: starting it again changes nothing, and the unit file says so. */
const misconfigured = 78

const environment = read()
if (environment) {
  const agent = createEdgeAgent({ environment, systemd: process.env })
  logEvents(agent, console, agentLogLevels)
  await agent.run({ process })
}

function read(): Environment | undefined {
  try {
    return readEnvironment(process.env)
  } catch (error) {
    console.error(`The environment is not complete:\n${(error as Error).message}`)
    process.exitCode = misconfigured
    return undefined
  }
}
