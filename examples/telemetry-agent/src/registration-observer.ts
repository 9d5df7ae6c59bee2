import { openEtcdStore } from '@holdfast/etcd'
import { createDiscovery } from '@holdfast/lease'

/** Looks at the control plane's side who is registered. */
export interface RegistrationObserver extends AsyncDisposable {
  /** Whether this instance was ever seen with this incarnation or a later one. */
  seen(instance: string, incarnation: number): boolean
}

export async function observeRegistrations(
  endpoints: readonly string[],
  service: string,
): Promise<RegistrationObserver> {
  const store = await openEtcdStore({ endpoints })
  const discovery = createDiscovery(store)
  const view = await discovery.view(service)
  const highest = new Map<string, number>()
  const note = (): void => {
    for (const { id, incarnation } of view.instances())
      highest.set(id, Math.max(incarnation, highest.get(id) ?? 0))
  }
  view.on('changed', note)
  note()
  return {
    seen: (instance, incarnation) => (highest.get(instance) ?? 0) >= incarnation,
    async [Symbol.asyncDispose]() {
      await discovery.close()
      await store.close()
    },
  }
}
