import type { Discovery, ServiceView } from '@holdfast/lease'
import { powerOfTwo } from '@holdfast/lease'
import type { GreeterMetadata } from './instance.ts'

/** Calls some instance of a service, wherever they are by now. */
export interface Client {
  /** Tries one instance after another; an answer names who gave it. Rejects when none answered. */
  call(): Promise<string>
  /** Calls that an instance did not answer; another one did. */
  readonly retries: number
}

const attempts = 4

export function createClient(discovery: Discovery): Client {
  const policy = powerOfTwo<GreeterMetadata>(({ metadata }) => metadata.load)
  let retries = 0
  return {
    call,
    get retries() {
      return retries
    },
  }

  async function call(): Promise<string> {
    // From memory after the first time; asking again keeps it among the live ones.
    const greeters = await discovery.view('greeter', { decode, preserve: 0.7 })
    for (let attempt = 1; attempt <= attempts; attempt += 1) {
      const answer = await tryOne(greeters)
      if (answer !== undefined) return answer
      retries += 1
    }
    throw new Error(`none of ${greeters.instances().length} greeters answered`)
  }

  /** Undefined where it failed, which the view will remember. */
  async function tryOne(greeters: ServiceView<GreeterMetadata>): Promise<string | undefined> {
    const chosen = greeters.pick(policy)
    if (!chosen) return undefined
    try {
      const response = await fetch(chosen.metadata.url, { signal: AbortSignal.timeout(2_000) })
      const text = await response.text()
      greeters.report(chosen.id, 'succeeded')
      return text
    } catch {
      // A greeting may be asked for twice; what must not be repeated needs more care.
      greeters.report(chosen.id, 'failed')
      return undefined
    }
  }
}

/** What others registered is input like any other: checked where it comes in. */
function decode(metadata: unknown): GreeterMetadata {
  const { url, load } = metadata as { url?: unknown; load?: unknown }
  if (typeof url === 'string' && URL.canParse(url) && typeof load === 'number') return { url, load }
  throw new TypeError('a greeter registers { url, load }')
}
