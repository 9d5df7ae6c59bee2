export type { Check, CheckOptions, CheckReport, Gate, Observation, Probe, Status } from './check.ts'
export {
  type ConfigCheckOptions,
  type ConfigStatus,
  configCheck,
  type LeaseCheckOptions,
  leaseCheck,
  type QueueCheckOptions,
  queueCheck,
  type ReadableStore,
  type StoreCheckOptions,
  storeCheck,
} from './checks/holdfast.ts'
export { type HttpCheckOptions, httpCheck } from './checks/http.ts'
export {
  type DiskSpaceCheckOptions,
  diskSpaceCheck,
  type MemoryCheckOptions,
  type MemoryUse,
  memoryCheck,
} from './checks/resources.ts'
export { type TcpCheckOptions, tcpCheck } from './checks/tcp.ts'
export { createDetector, type Detector, type DetectorOptions, type Verdict } from './detector/detector.ts'
export { type HealthErrorCode, healthError } from './errors.ts'
export type { EventLoopOptions, LagSource } from './event-loop.ts'
export { type Health, type HealthEvents, type HealthOptions, startHealth } from './health.ts'
export {
  type Beat,
  type Heartbeat,
  type HeartbeatEvents,
  type HeartbeatOptions,
  startHeartbeat,
} from './heartbeat.ts'
export { type HttpBeatOptions, httpBeat } from './http-beat.ts'
export {
  type HealthServer,
  type HealthServerEvents,
  type HealthServerOptions,
  startHealthServer,
} from './server/server.ts'
export type { StatsSources } from './server/sources.ts'
export type { SystemdEnvironment } from './systemd/environment.ts'
export {
  type SystemdNotify,
  type SystemdNotifyEvents,
  type SystemdNotifyOptions,
  startSystemdNotify,
} from './systemd/notify.ts'
export type { NotifySend } from './systemd/sender.ts'
export { startTraffic, type TrafficOptions } from './traffic.ts'
