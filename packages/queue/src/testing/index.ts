export { createMemoryDisk, type MemoryDisk, type MemoryQueueOptions, openMemoryQueue } from './memory.ts'
