import { defineErrors, type ErrorFactory } from '@holdfast/core'

export type AgentErrorCode =
  | 'AGENT_ALREADY_RUNNING'
  | 'AGENT_START_FAILED'
  | 'AGENT_STOP_FAILED'
  | 'AGENT_INTENSITY_EXCEEDED'
  | 'AGENT_HEAL_ESCALATED'
  | 'UNIT_START_TIMED_OUT'
  | 'UNIT_START_UNWANTED'
  | 'UNIT_DRAIN_TIMED_OUT'
  | 'UNIT_STOP_TIMED_OUT'
  | 'UNIT_HEAL_TIMED_OUT'
  | 'UNIT_EXITED'

export const agentError: ErrorFactory<AgentErrorCode> = defineErrors<AgentErrorCode>({
  AGENT_ALREADY_RUNNING: 'permanent',
  AGENT_START_FAILED: 'retryable',
  AGENT_STOP_FAILED: 'permanent',
  AGENT_INTENSITY_EXCEEDED: 'retryable',
  AGENT_HEAL_ESCALATED: 'retryable',
  UNIT_START_TIMED_OUT: 'retryable',
  UNIT_START_UNWANTED: 'retryable',
  UNIT_DRAIN_TIMED_OUT: 'permanent',
  UNIT_STOP_TIMED_OUT: 'permanent',
  UNIT_HEAL_TIMED_OUT: 'retryable',
  UNIT_EXITED: 'retryable',
})
