import type { Stats } from '@holdfast/core'
import type { Totals } from './context.ts'
import type { QueueSize } from './types.ts'

export function queueStats(totals: Totals, size: QueueSize, blocked: number): Stats {
  const gauge = (help: string, value: number): Stats[string] => ({ kind: 'gauge', help, value })
  const counter = (help: string, value: number): Stats[string] => ({ kind: 'counter', help, value })
  return {
    queue_ready_messages: gauge('Messages that can be taken', size.ready),
    queue_delayed_messages: gauge('Messages that were given a time, and not taken since', size.delayed),
    queue_in_flight_messages: gauge('Messages that are taken and not settled', size.inFlight),
    queue_dead_messages: gauge('Messages in the dead letter', size.dead),
    queue_bytes: gauge('Payload bytes of all but the dead', size.bytes),
    queue_blocked_producers: gauge('Enqueues that wait for room', blocked),
    queue_enqueued_messages_total: counter('Messages accepted', totals.enqueued),
    queue_duplicate_messages_total: counter('Enqueues whose key was known', totals.duplicates),
    queue_delivered_messages_total: counter('Deliveries', totals.delivered),
    queue_acknowledged_messages_total: counter('Messages done', totals.acknowledged),
    queue_retried_messages_total: counter('Deliveries that go on to another', totals.retried),
    queue_released_messages_total: counter('Deliveries given back uncounted', totals.released),
    queue_timed_out_messages_total: counter(
      'Deliveries that outlived their visibility timeout',
      totals.timedOut,
    ),
    queue_buried_messages_total: counter('Messages put to the dead letter', totals.buried),
    queue_expired_messages_total: counter('Messages that outlived their TTL', totals.expired),
    queue_dropped_messages_total: counter('Messages dropped for newer ones', totals.dropped),
    queue_lost_messages_total: counter('Messages found missing or damaged', totals.lost),
    queue_commits_total: counter('Batches written', totals.commits),
  }
}
