import { readdir, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { folderStore, type Repository } from '@holdfast/snapshot'
import type { Benchmark, Round, Row } from './harness.ts'
import { checkpointRow } from './snapshot/level.ts'
import { borgPeer, opensslPeer, type Peer, resticPeer, tarPeer } from './snapshot/peers.ts'
import { openIn, preparedRestic, preparedState, type State, takeSnapshot } from './snapshot/state.ts'
import { changeOnePercent } from './snapshot/tree.ts'
import { type Cost, costOf } from './support/cost.ts'

// One tree for all rows, and repositories that are encrypted, ours and the peers'. Ours is open
// already, as in an agent that runs; a peer is started anew, as it always is. Caches are warm.

interface Measure {
  /** In the unit of the row; `wall` seconds by default. */
  figure?: 'wall' | 'cpu'
  rounds?: number
}

const first = (
  id: string,
  peer: Peer,
  target: number,
  { figure = 'wall', rounds = 2 }: Measure = {},
): Row => ({
  id,
  title: `A first backup, ${figure === 'cpu' ? 'CPU time, ' : ''}beside ${peer.name}`,
  unit: figure === 'cpu' ? 'CPU s' : 's',
  target: { of: 'ratio', is: '<=', value: target },
  quick: true,
  rounds,
  skip: peer.skip,
  ours: async ({ folder, quick }) => {
    const { tree } = await preparedState(quick)
    await using repository = await openIn(folder)
    return (await costOf(() => takeSnapshot(repository, tree)))[figure]
  },
  peer: {
    name: peer.name,
    measure: async ({ folder, quick }) => {
      const { tree } = await preparedState(quick)
      await peer.init(folder)
      return (await peer.backup(folder, tree))[figure]
    },
  },
})

interface Beside {
  id: string
  title: string
  target: number
  /** Each on its own repository of the same tree. */
  ours: (repository: Repository, state: State, round: Round) => Promise<Cost>
  restic: (folder: string, state: State, round: Round) => Promise<Cost>
}

const besideRestic = ({ id, title, target, ours, restic }: Beside): Row => ({
  id,
  title,
  unit: 's',
  target: { of: 'ratio', is: '<=', value: target },
  quick: true,
  rounds: 3,
  skip: resticPeer.skip,
  ours: async (round) => {
    const state = await preparedState(round.quick)
    await using repository = await openIn(state.ours)
    return (await ours(repository, state, round)).wall
  },
  peer: {
    name: 'restic',
    measure: async (round) => {
      const state = await preparedState(round.quick)
      return (await restic(await preparedRestic(round.quick), state, round)).wall
    },
  },
})

const newest = async (repository: Repository) => (await repository.list()).at(-1)!

export const benchmark: Benchmark = {
  name: 'snapshot',
  rows: [
    first('full-restic', resticPeer, 0.6),
    first('full-restic-cpu', resticPeer, 0.65, { figure: 'cpu' }),
    first('full-borg', borgPeer, 0.5),
    first('full-tar', tarPeer, 0.15, { rounds: 1 }),
    besideRestic({
      id: 'changed-1-percent',
      title: 'A backup after 1 % of the files changed',
      target: 0.5,
      ours: async (repository, { tree, quick }) => {
        await changeOnePercent(tree, quick)
        return costOf(() => takeSnapshot(repository, tree))
      },
      restic: async (folder, { tree, quick }) => {
        await changeOnePercent(tree, quick)
        return resticPeer.backup(folder, tree)
      },
    }),
    besideRestic({
      id: 'unchanged',
      title: 'A backup of what did not change',
      target: 0.35,
      ours: async (repository, { tree }) => {
        await settle(repository, tree)
        return costOf(() => takeSnapshot(repository, tree))
      },
      restic: async (folder, { tree }) => {
        await resticPeer.backup(folder, tree)
        return resticPeer.backup(folder, tree)
      },
    }),
    {
      id: 'verify-bytes',
      title: 'Verify the stored bytes, beside hashing the same files',
      unit: 's',
      target: { of: 'ratio', is: '<=', value: 1.3 },
      quick: true,
      rounds: 3,
      skip: opensslPeer.skip,
      ours: async ({ folder, quick }) => {
        const { tree } = await preparedState(quick)
        await using repository = await openIn(folder)
        const snapshot = await takeSnapshot(repository, tree)
        return (await costOf(() => repository.verify(snapshot, { level: 'bytes' }))).wall
      },
      peer: {
        name: opensslPeer.name,
        measure: async ({ folder, quick }) => {
          const { tree } = await preparedState(quick)
          await using repository = await openIn(folder)
          await takeSnapshot(repository, tree)
          return (await opensslPeer.hash(join(folder, 'repository/blobs/sha256'))).wall
        },
      },
    },
    besideRestic({
      id: 'verify-data',
      title: 'Verify every chunk, beside check --read-data',
      target: 0.8,
      ours: async (repository) => {
        const snapshot = await newest(repository)
        return costOf(() => repository.verify(snapshot, { level: 'data' }))
      },
      restic: (folder) => resticPeer.check(folder),
    }),
    besideRestic({
      id: 'restore',
      title: 'Restore everything, neither with fsync',
      target: 0.9,
      ours: async (repository, state) => {
        const snapshot = await newest(repository)
        return costOf(() => repository.restore(snapshot, newTarget(state), { fsync: false }))
      },
      restic: (restic, state) => resticPeer.restore(restic, newTarget(state)),
    }),
    {
      id: 'size',
      title: 'Size of a repository of one snapshot',
      unit: 'bytes',
      target: { of: 'ratio', is: '<=', value: 1.02 },
      quick: true,
      rounds: 1,
      skip: resticPeer.skip,
      ours: async ({ folder, quick }) => {
        const { tree } = await preparedState(quick)
        await using repository = await openIn(folder)
        await takeSnapshot(repository, tree)
        return await folderBytes(join(folder, 'repository'))
      },
      peer: {
        name: 'restic',
        measure: async ({ folder, quick }) => {
          const { tree } = await preparedState(quick)
          await resticPeer.init(folder)
          await resticPeer.backup(folder, tree)
          return await folderBytes(join(folder, 'restic'))
        },
      },
    },
    {
      id: 'copy-unchanged',
      title: 'Copy an unchanged snapshot to a store that has it, beside the first copy',
      unit: 's',
      target: { of: 'ratio', is: '<=', value: 0.08 },
      quick: true,
      rounds: 3,
      ours: (round) =>
        withCopy(round, async (repository, other, { tree }) => {
          await repository.copyTo(other, await newest(repository))
          const again = await takeSnapshot(repository, tree)
          return await costOf(() => repository.copyTo(other, again))
        }),
      peer: {
        name: 'the first copy',
        measure: (round) =>
          withCopy(round, async (repository, other) => {
            const snapshot = await newest(repository)
            return await costOf(() => repository.copyTo(other, snapshot))
          }),
      },
    },
    checkpointRow,
  ],
}

let targets = 0
/** Stays until the process ends: on an ext4 without a journal making files is slow for minutes after others were deleted. */
function newTarget({ ours }: State): string {
  targets += 1
  return join(ours, `../restored-${targets}`)
}

async function withCopy(
  { folder, quick }: Round,
  measure: (repository: Repository, other: ReturnType<typeof folderStore>, state: State) => Promise<Cost>,
): Promise<number> {
  const state = await preparedState(quick)
  await using repository = await openIn(state.ours)
  const other = join(folder, 'other')
  const { wall } = await measure(repository, folderStore(other), state)
  await rm(other, { recursive: true })
  return wall
}

/** Takes snapshots until one has read nothing: the last changes are far enough behind then. */
async function settle(repository: Repository, tree: string): Promise<void> {
  for (let settled = false; !settled; ) {
    const { files, unchangedFiles } = await takeSnapshot(repository, tree)
    settled = files === unchangedFiles
    if (!settled) await new Promise((resolve) => setTimeout(resolve, 500))
  }
}

async function folderBytes(folder: string): Promise<number> {
  let bytes = 0
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) bytes += (await stat(join(entry.parentPath, entry.name))).size
  return bytes
}
