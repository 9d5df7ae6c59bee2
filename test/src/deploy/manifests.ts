import { StatefulSet } from 'kubernetes-models/apps/v1/StatefulSet'
import { ConfigMap } from 'kubernetes-models/v1/ConfigMap'
import { Service } from 'kubernetes-models/v1/Service'
import { parseAllDocuments } from 'yaml'

/** What is wrong with manifests, a line each: what the API's types refuse, and fields that they do not have. */
export function faultsOf(text: string): string[] {
  return parseManifests(text).flatMap(faultsOfOne)
}

export function parseManifests(text: string): unknown[] {
  const documents = parseAllDocuments(text)
  for (const { errors } of documents) if (errors[0]) throw errors[0]
  return documents.map((document) => document.toJS() as unknown)
}

const kinds = [StatefulSet, ConfigMap, Service]

function faultsOfOne(manifest: unknown): string[] {
  const kind = kinds.find(({ is }) => is(manifest))
  if (!kind) return [`no model for ${JSON.stringify(manifest).slice(0, 80)}`]
  const { value, unread } = watch(manifest)
  try {
    kind.prototype.validate.call(value as never)
    return [...unread].map((path) => `${path} is not a field`)
  } catch (error) {
    return [(error as Error).message]
  }
}

/** The models refuse wrong values but pass over unknown fields: those are the ones that validating never reads. */
function watch(manifest: unknown): { value: unknown; unread: ReadonlySet<string> } {
  const unread = new Set<string>()
  const proxies = new Map<string, unknown>()
  return { value: watched(manifest, ''), unread }

  function watched(value: unknown, path: string): unknown {
    if (typeof value !== 'object' || value === null) return value
    const known = proxies.get(path)
    if (known) return known
    for (const key of Object.keys(value)) unread.add(`${path}/${key}`)
    const proxy = new Proxy(value, {
      get(target, key) {
        const inner: unknown = Reflect.get(target, key)
        if (typeof key === 'symbol') return inner
        unread.delete(`${path}/${key}`)
        return watched(inner, `${path}/${key}`)
      },
    })
    proxies.set(path, proxy)
    return proxy
  }
}
