export { type MemoryRegistry, type MemoryRegistryOptions, startMemoryRegistry } from './memory-registry.ts'
