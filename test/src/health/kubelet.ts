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

const gatePaths = ['/startupz', '/readyz', '/livez'] as const

export interface Pod<Path extends string = (typeof gatePaths)[number]> {
  /** What each gate answered, a turn each, without the refusals at the end. */
  readonly turns: Record<Path, Answer[]>
  /** Resolves once the gates answer this, such as `200 200 200`. */
  until(answers: string): Promise<void>
  /** Resolves when nobody listens any more. */
  readonly gone: Promise<void>
}

/** Keeps asking all three gates until the process that answered is gone. */
export function watchPod(port: number): Pod
export function watchPod<Path extends string>(port: number, paths: readonly Path[]): Pod<Path>
export function watchPod(port: number, paths: readonly string[] = gatePaths): Pod<string> {
  const turns = Object.fromEntries(paths.map((path) => [path, [] as Answer[]]))
  let latest = ''
  let answered = false
  let look = (): void => {}
  return { turns, until, gone: watch() }

  async function watch(): Promise<void> {
    while (!(answered && latest.includes('refused'))) {
      const answers: Answer[] = []
      for (const path of paths) answers.push(await ask(path))
      latest = answers.join(' ')
      answered ||= !latest.includes('refused')
      look()
    }
  }

  async function ask(path: string): Promise<Answer> {
    const answer = await probe(port, path)
    const told = turns[path] ?? []
    if (answer !== 'refused' && told.at(-1) !== answer) told.push(answer)
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
