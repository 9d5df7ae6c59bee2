import { bootWithEtcdDown } from './config/boot.ts'
import { invalidAfterDeaths } from './config/deaths.ts'
import { applyInFleet, watchInFleet } from './config/fleet.ts'
import { readPlain, readValue } from './config/reads.ts'
import { listenersAfterSwap, tornReads } from './config/swaps.ts'
import type { Benchmark } from './harness.ts'
import { missingEtcd } from './support/etcd-process.ts'

export const benchmark: Benchmark = {
  name: 'config',
  rows: [
    {
      id: 'swap-listeners-p99',
      title: 'new part opened, swap, to each of 10,000 listeners in the process, p99',
      unit: 'ms',
      target: { of: 'ours', is: '<=', value: 10 },
      quick: true,
      ours: listenersAfterSwap,
    },
    {
      id: 'fleet-applied-p99',
      title: 'etcd put to applied in 1,000 agents of one process, no settling, p99',
      unit: 'ms',
      target: { of: 'ours', is: '<=', value: 500 },
      quick: true,
      ours: applyInFleet,
      peer: { name: 'etcd3 watch, 1,000 times, nothing applied', measure: watchInFleet },
      skip: missingEtcd,
    },
    {
      id: 'torn-reads',
      title: 'torn values in 10^7 reads over 10^5 swaps (quick: a tenth of both)',
      unit: 'values',
      target: { of: 'ours', is: '<=', value: 0 },
      quick: true,
      rounds: 1,
      ours: tornReads,
    },
    {
      id: 'invalid-after-death',
      title: 'last-known-good missing or damaged after a death at each step of each write',
      unit: 'boots',
      target: { of: 'ours', is: '<=', value: 0 },
      quick: true,
      rounds: 1,
      ours: invalidAfterDeaths,
    },
    {
      id: 'boot-etcd-down',
      title: 'boot on the last-known-good with etcd down, beyond bootTimeoutMs',
      unit: 'ms',
      target: { of: 'ours', is: '<=', value: 250 },
      quick: true,
      ours: bootWithEtcdDown,
      skip: missingEtcd,
    },
    {
      id: 'value-read',
      title: 'read of config.value.limit beside a plain property of a frozen object',
      unit: 'ns',
      target: { of: 'ratio', is: '<=', value: 2 },
      quick: true,
      ours: readValue,
      peer: { name: 'plain property', measure: readPlain },
    },
  ],
}
