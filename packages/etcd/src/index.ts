export type { EtcdAuth, EtcdStoreOptions, EtcdTls } from './options.ts'
export { type EtcdStore, type EtcdStoreEvents, openEtcdStore } from './store.ts'
