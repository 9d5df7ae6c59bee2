import { spawnSync } from 'node:child_process'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Cost, costOfCommand } from '../support/cost.ts'

/** A backup program beside which ours is measured, encrypting too where it can. */
export interface Peer {
  readonly name: string
  /** Why it cannot be run here; undefined when it can. */
  skip(): Promise<string | undefined>
  /** Makes an empty repository in the folder. */
  init(folder: string): Promise<unknown>
  backup(folder: string, tree: string): Promise<Cost>
}

const tool = fileURLToPath(new URL('../../../tools/debian.mjs', import.meta.url))
const packages = [
  ...['restic', 'borgbackup', 'python3-msgpack', 'python3-packaging'],
  ...['libxxhash0', 'liblz4-1', 'libzstd1'],
]

interface Unpacked {
  readonly folder: string | undefined
  readonly problem: string
}
let unpacked: Unpacked | undefined

/** Debian's restic and borg, unpacked beside this project and not installed. */
function findPeers(): Unpacked {
  if (unpacked) return unpacked
  const { status, stdout, stderr } = spawnSync(process.execPath, [tool, 'snapshot-peers', ...packages], {
    encoding: 'utf8',
  })
  unpacked = { folder: status === 0 ? stdout.trim() : undefined, problem: stderr.trim() }
  return unpacked
}

const program = (name: string): string => join(findPeers().folder ?? '', 'usr/bin', name)

async function needsPeers(): Promise<string | undefined> {
  const { folder, problem } = findPeers()
  return folder === undefined ? problem : undefined
}

const restic = (folder: string, ...args: string[]): Promise<Cost> =>
  costOfCommand(program('restic'), ['-q', '--no-cache', '-r', join(folder, 'restic'), ...args], {
    env: { RESTIC_PASSWORD: 'a passphrase' },
  })

export const resticPeer = {
  name: 'restic',
  skip: needsPeers,
  init: (folder: string) => restic(folder, 'init'),
  backup: (folder: string, tree: string) => restic(folder, 'backup', tree),
  check: (folder: string) => restic(folder, 'check', '--read-data'),
  restore: (folder: string, target: string) => restic(folder, 'restore', 'latest', '--target', target),
}

const borg = (folder: string, ...args: string[]): Promise<Cost> => {
  const root = findPeers().folder ?? ''
  return costOfCommand(program('borg'), args, {
    env: {
      BORG_PASSPHRASE: 'a passphrase',
      BORG_BASE_DIR: join(folder, 'borg-home'),
      PYTHONPATH: join(root, 'usr/lib/python3/dist-packages'),
      LD_LIBRARY_PATH: join(root, 'usr/lib/x86_64-linux-gnu'),
    },
  })
}

let archives = 0
export const borgPeer: Peer = {
  name: 'borg',
  skip: needsPeers,
  init: (folder) => borg(folder, 'init', '-e', 'repokey', join(folder, 'borg')),
  backup: (folder, tree) => {
    archives += 1
    return borg(folder, 'create', `${join(folder, 'borg')}::${archives}`, tree)
  },
}

export const tarPeer: Peer = {
  name: 'tar -czf',
  skip: async () => missing('tar'),
  init: async () => {},
  backup: (folder, tree) => costOfCommand('tar', ['-czf', join(folder, 'tree.tgz'), '-C', tree, '.']),
}

export const opensslPeer = {
  name: 'openssl dgst -sha256',
  skip: async (): Promise<string | undefined> => missing('openssl', 'version'),
  hash: async (folder: string): Promise<Cost> =>
    costOfCommand('openssl', ['dgst', '-sha256', ...(await readdir(folder))], { cwd: folder }),
}

function missing(command: string, asked = '--version'): string | undefined {
  return spawnSync(command, [asked]).status === 0 ? undefined : `${command} is not installed`
}
