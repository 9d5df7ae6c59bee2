import type { EtcdAuth } from './options.ts'

/** The token of one connection: got when first needed, renewed once for all calls that found it stale. */
export interface Authentication {
  /** Undefined where no user is configured, or etcd asks for none. */
  token(): Promise<string | undefined>
  /** Replaces the token, unless somebody did since `stale` was got. */
  renew(stale: string | undefined): Promise<void>
}

export function createAuthentication(
  auth: EtcdAuth | undefined,
  authenticate: (username: string, password: string) => Promise<string | undefined>,
): Authentication {
  let current: Promise<string | undefined> | undefined

  return {
    token,
    async renew(stale) {
      const renewing = current
      if ((await renewing) === stale && current === renewing) current = undefined
      await token()
    },
  }

  async function token(): Promise<string | undefined> {
    if (!auth) return undefined
    current ??= fetch(auth)
    return await current
  }

  function fetch({ username, password }: EtcdAuth): Promise<string | undefined> {
    const fetching = authenticate(username, password)
    fetching.catch(() => {
      if (current === fetching) current = undefined // Its callers have the error; the next one tries anew.
    })
    return fetching
  }
}
