export { snapshotError } from '../errors.ts'
export { blobKey, parseRef, type Ref, refKey } from '../format/layout.ts'
export { mediaTypes } from '../format/manifest.ts'
export { sha256 } from '../keys/keys.ts'
export {
  createHttp,
  dateOf,
  type Http,
  type HttpAnswer,
  type HttpOptions,
  type HttpProblem,
  type HttpRequest,
  partOf,
  rangeHeaders,
  sizeOf,
} from './http.ts'
export {
  type BlobStore,
  checkKey,
  isKey,
  type ListedObject,
  type ObjectStat,
  type ReadOptions,
  sliceOf,
  type WriteOptions,
} from './store.ts'
