export { type UplinkErrorCode, uplinkError } from './errors.ts'
export { jsonArray, type Message, ndjson, type WireFormat } from './ship/format.ts'
export type {
  BatchLimits,
  CircuitOptions,
  Headers,
  Rate,
  TlsFiles,
  Uplink,
  UplinkEvents,
  UplinkJob,
  UplinkOptions,
  UplinkQueue,
} from './types.ts'
export { startUplink } from './uplink.ts'
export { bytesBody, fileBody } from './upload/body.ts'
export type { Upload, UploadBody, UploadCheckpoint, UploadEvents, UploadOptions } from './upload/types.ts'
export { startUpload } from './upload/upload.ts'
