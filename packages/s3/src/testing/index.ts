export { type MemoryS3, type MemoryS3Options, startMemoryS3 } from './memory-s3.ts'
