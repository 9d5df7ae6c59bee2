export { type RecoveryErrorCode, recoveryError } from './errors.ts'
export type { RecoveryEvents } from './events.ts'
export type { Forecast, ForecastStep, ForecastTier } from './forecast.ts'
export { type FileJournal, openJournal, readJournal } from './journal/file.ts'
export type {
  DeclaredPlan,
  DeclaredStep,
  ErrorRecord,
  Journal,
  JournalRecord,
  Outcome,
} from './journal/journal.ts'
export { createMemoryJournal } from './journal/memory.ts'
export { recoveryLogLevels } from './log-levels.ts'
export { planRecovery } from './plan.ts'
export type { Problem } from './problems.ts'
export { type Report, type ReportStep, type ReportTier, reportOf } from './report.ts'
export { formatReport } from './table.ts'
export type {
  Figures,
  Mode,
  Phase,
  Plan,
  PlanOptions,
  RunningRecovery,
  RunOptions,
  StartedContext,
  Step,
  StepContext,
  StepLimits,
} from './types.ts'
