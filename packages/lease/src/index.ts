export type { ServiceChange } from './discovery/change.ts'
export {
  createDiscovery,
  type Discovery,
  type DiscoveryOptions,
  type ViewServiceOptions,
} from './discovery/discovery.ts'
export type { Outcome } from './discovery/feedback.ts'
export type { DecodeMetadata, Instance } from './discovery/instance.ts'
export {
  type LoadOf,
  leastLoaded,
  type Policy,
  powerOfTwo,
  randomChoice,
  roundRobin,
} from './discovery/policy.ts'
export type { ServiceChangesOptions, ServiceView, ServiceViewEvents } from './discovery/service-view.ts'
export {
  type Election,
  type ElectionEvents,
  type ElectionOptions,
  type Leader,
  readLeader,
  startElection,
  type Term,
} from './election/election.ts'
export { acquireLock, type Lock } from './election/lock.ts'
export { type LeaseErrorCode, leaseError } from './errors.ts'
export { nextIncarnation } from './registration/incarnation.ts'
export {
  type Identity,
  type Registration,
  type RegistrationEvents,
  register,
  type WithdrawOptions,
} from './registration/registration.ts'
export type { SessionOptions } from './session/options.ts'
export { type Activity, openSession, type Session, type SessionEvents } from './session/session.ts'
export type { Loss } from './session/tenure.ts'
