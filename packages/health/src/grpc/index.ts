export { type GrpcCheckOptions, grpcCheck } from './check.ts'
export { createHealthService, type HealthService, type HealthServiceOptions } from './service.ts'
