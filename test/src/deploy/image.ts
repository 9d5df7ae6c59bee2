import { readFileSync } from 'node:fs'
import { join } from 'node:path'

/** What the last stage of a Dockerfile makes of an image, as far as a process sees it. */
export interface Image {
  readonly command: readonly string[]
  readonly workingFolder: string
  readonly environment: Readonly<Record<string, string>>
  readonly healthCheck: readonly string[]
  readonly port: number
  readonly volumes: readonly string[]
  /** The RUN instructions of the stage before, which builds it. */
  readonly build: readonly string[]
}

/** Reads the example's Dockerfile: one instruction a line, arrays in JSON. */
export function imageOf(example: string): Image {
  const text = readFileSync(join(example, 'container/Dockerfile'), 'utf8').replaceAll(/\\\n\s*/g, ' ')
  const [build = '', last = ''] = text.split(/^(?=FROM )/m).slice(1)
  const one = (keyword: string): string => new RegExp(`^${keyword} (.*)$`, 'm').exec(last)?.[1] ?? ''
  return {
    command: JSON.parse(one('CMD')),
    workingFolder: one('WORKDIR'),
    environment: Object.fromEntries(
      one('ENV')
        .split(/\s+/)
        .map((pair) => pair.split('=')),
    ),
    healthCheck: JSON.parse(one('HEALTHCHECK').replace(/^.* CMD /, '')),
    port: Number(one('EXPOSE')),
    volumes: JSON.parse(one('VOLUME')),
    build: [...build.matchAll(/^RUN (.*)$/gm)].map(([, command]) => command!),
  }
}
