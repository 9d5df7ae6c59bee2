import { randomBytes } from 'node:crypto'
import { appendFile, mkdir, open } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

const words = 'accepted closed connection lease lost peer queue retry sample sensor snapshot started'.split(
  ' ',
)

/**
 * An agent's state, the same for the same seed but for its noise: 20,107 files of 1.19 GB, or a sixteenth
 * of that when quick. Logs, telemetry in JSON, binary records, and one part in twelve that nothing shrinks;
 * no piece comes twice.
 */
export async function makeTree(tree: string, quick: boolean): Promise<void> {
  const random = createRandom(1)
  const [folders, medium, large] = quick ? [13, 6, 1] : [200, 100, 7]
  for (let folder = 0; folder < folders; folder += 1) {
    await mkdir(join(tree, `folder-${folder}`), { recursive: true })
    for (let file = 0; file < 100; file += 1) {
      const bytes = Math.round(1_000 * 100 ** (random() ** 1.1))
      await writeState(join(tree, `folder-${folder}`, `file-${file}`), bytes, random)
    }
  }
  for (let file = 0; file < medium; file += 1)
    await writeState(join(tree, `medium-${file}`), 1_000_000 + Math.round(random() * 2e6), random)
  for (let file = 0; file < large; file += 1)
    await writeState(join(tree, `large-${file}`), quick ? 30e6 : 86e6, random)
  // Nobody has to take any of it for a change of the last moment.
  await sleep(2_100)
}

/** Changes one file of a hundred of those that `makeTree` made. */
export async function changeOnePercent(tree: string, quick: boolean): Promise<void> {
  for (let folder = 0; folder < (quick ? 13 : 200); folder += 1)
    await appendFile(join(tree, `folder-${folder}`, 'file-7'), `changed ${process.hrtime.bigint()}\n`)
}

type Random = () => number

async function writeState(path: string, bytes: number, random: Random): Promise<void> {
  const kind = [logs, telemetry, records][Math.floor(random() * 3)]!
  const file = await open(path, 'w')
  try {
    for (let left = bytes; left > 0; ) {
      const part =
        random() < 1 / 12 ? randomBytes(Math.min(left, 65_536)) : kind(Math.min(left, 65_536), random)
      await file.write(part, 0, Math.min(left, part.length))
      left -= part.length
    }
  } finally {
    await file.close()
  }
}

function logs(bytes: number, random: Random): Buffer {
  let text = ''
  while (text.length < bytes) {
    const [one, two] = [words[Math.floor(random() * 12)], words[Math.floor(random() * 12)]]
    const [at, address] = [Math.floor(random() * 1e9), Math.floor(random() * 2 ** 32).toString(16)]
    text += `2026-03-01T12:${at} edge-7 agent[4711]: ${one} ${two} from 10.0.${address} after ${at % 977} ms\n`
  }
  return Buffer.from(text)
}

function telemetry(bytes: number, random: Random): Buffer {
  let text = ''
  let value = random() * 100
  while (text.length < bytes) {
    value += random() - 0.5
    text += `{"sensor":"pump-${Math.floor(random() * 64)}","at":${Math.floor(random() * 1e12)},"value":${value}}\n`
  }
  return Buffer.from(text)
}

/** Of 24 bytes each: a number, flags, and a reading that drifts. */
function records(bytes: number, random: Random): Buffer {
  const part = Buffer.alloc(Math.ceil(bytes / 24) * 24)
  let value = Math.floor(random() * 1e6)
  for (let at = 0; at < part.length; at += 24) {
    value += Math.floor(random() * 64)
    part.writeUInt32LE(at / 24, at)
    part.writeUInt32LE(value, at + 8)
    part.writeUInt32LE(random() * 2 ** 32, at + 16)
  }
  return part
}

/** Mulberry32: seeded, fast, good enough to fill files with. */
function createRandom(seed: number): Random {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
