export { type OciStore, type OciStoreOptions, ociStore } from './oci-store.ts'
export type { OciCredentials } from './registry-client.ts'
