export { type BlobStoreSuite, blobStoreCompliance, type SuiteRunner } from './compliance.ts'
