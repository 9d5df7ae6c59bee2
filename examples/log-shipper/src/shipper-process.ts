// The shipper as its own process: node shipper-process.js '{ …LogShipperOptions }'
// Progress goes to the parent process where there is one that listens, else to the terminal.
import { agentLogLevels, logEvents } from '@holdfast/agent'
import { createDisplay, progressLine } from './display.ts'
import type { Progress } from './progress.ts'
import { createLogShipper, type LogShipperOptions } from './shipper.ts'

const options = JSON.parse(process.argv[2] ?? '{}') as LogShipperOptions
const display = process.send ? undefined : createDisplay(process.stdout, () => performance.now())
const report = (progress: Progress): void => {
  if (process.connected) process.send?.(progress)
  display?.live(progressLine(progress))
}
const agent = createLogShipper({ ...options, report })
logEvents(agent, console, agentLogLevels)
await agent.run({ process })
display?.close()
