export {
  type ComplianceOptions,
  type ComplianceSubject,
  type ComplianceSupport,
  coordinationStoreCompliance,
} from './compliance.ts'
export type { Cut, Delay, Leg, Losses, Method } from './network.ts'
export { type FaultsOptions, type FaultyStore, withFaults } from './with-faults.ts'
