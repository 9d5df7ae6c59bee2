export type { S3Credentials } from './s3-client.ts'
export { type S3StoreOptions, s3Store } from './s3-store.ts'
