export { createAgent } from './agent.ts'
export { type AgentErrorCode, agentError } from './errors.ts'
export type { AgentEvents } from './events.ts'
export { exitCodeOf, exitCodes } from './exit-codes.ts'
export { type CheckBoard, type CheckStanding, type HealingOptions, startHealing } from './healing.ts'
export { agentLogLevels, type Logger, type LogLevel, type LogLevels, logEvents } from './log.ts'
export type { ProcessLike } from './run.ts'
export type {
  Agent,
  AgentOptions,
  HealContext,
  Intensity,
  Remedy,
  RestartType,
  Rung,
  RunningAgent,
  RunOptions,
  Startable,
  Supervised,
  UnitLimits,
  UnitOptions,
  UnitState,
  UnitStatus,
} from './types.ts'
