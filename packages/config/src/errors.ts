import { defineErrors, type ErrorFactory } from '@holdfast/core'

export type ConfigErrorCode =
  | 'CONFIG_INVALID'
  | 'CONFIG_MISSING'
  | 'CONFIG_EMPTY'
  | 'CONFIG_UNREADABLE'
  | 'CONFIG_DENIED'
  | 'CONFIG_UNREACHABLE'
  | 'CONFIG_OPEN_FAILED'
  | 'CONFIG_ROLLED_BACK'
  | 'CONFIG_SAVE_FAILED'
  | 'CONFIG_CLOSED'

export const configError: ErrorFactory<ConfigErrorCode> = defineErrors<ConfigErrorCode>({
  CONFIG_INVALID: 'permanent',
  CONFIG_MISSING: 'permanent',
  CONFIG_EMPTY: 'permanent',
  CONFIG_UNREADABLE: 'permanent',
  CONFIG_DENIED: 'permanent',
  CONFIG_UNREACHABLE: 'retryable',
  CONFIG_OPEN_FAILED: 'permanent',
  CONFIG_ROLLED_BACK: 'permanent',
  CONFIG_SAVE_FAILED: 'retryable',
  CONFIG_CLOSED: 'permanent',
})
