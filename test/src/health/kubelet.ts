import { request } from 'node:http'

export type Answer = number | 'refused'

/** Probes as a kubelet does: GET over a fresh connection, the status alone counts. */
export function probe(port: number, path: string): Promise<Answer> {
  return new Promise((resolve) => {
    const headers = { 'user-agent': 'kube-probe/1.30', connection: 'close' }
    const sent = request(
      { host: '127.0.0.1', port, path, agent: false, headers, timeout: 1_000 },
      (response) => {
        response.resume()
        resolve(response.statusCode ?? 0)
      },
    )
    sent.on('timeout', () => sent.destroy())
    sent.on('error', () => resolve('refused'))
    sent.end()
  })
}

const paths = ['/startupz', '/readyz', '/livez'] as const

export interface Pod {
  /** What each gate answered, a turn each, without the refusals at the end. */
  readonly turns: Record<(typeof paths)[number], Answer[]>
  /** Resolves once the gates answer this, such as `200 200 200`. */
  until(answers: string): Promise<void>
  /** Resolves when nobody listens any more. */
  readonly gone: Promise<void>
}

/** Keeps asking all three gates until the process is gone. */
export function watchPod(port: number): Pod {
  const turns: Pod['turns'] = { '/startupz': [], '/readyz': [], '/livez': [] }
  let latest = ''
  let look = (): void => {}
  return { turns, until, gone: watch() }

  async function watch(): Promise<void> {
    while (!latest.includes('refused')) {
      const answers: Answer[] = []
      for (const path of paths) answers.push(await ask(path))
      latest = answers.join(' ')
      look()
    }
  }

  async function ask(path: (typeof paths)[number]): Promise<Answer> {
    const answer = await probe(port, path)
    if (answer !== 'refused' && turns[path].at(-1) !== answer) turns[path].push(answer)
    return answer
  }

  async function until(answers: string): Promise<void> {
    await new Promise<void>((resolve) => {
      look = () => {
        if (latest === answers) resolve()
      }
    })
  }
}
