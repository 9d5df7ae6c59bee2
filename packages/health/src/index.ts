export type { Check, CheckOptions, CheckReport, Gate, Observation, Probe, Status } from './check.ts'
export { type HealthErrorCode, healthError } from './errors.ts'
export type { EventLoopOptions, LagSource } from './event-loop.ts'
export { type Health, type HealthEvents, type HealthOptions, startHealth } from './health.ts'
