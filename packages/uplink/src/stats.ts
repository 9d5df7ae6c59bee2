import type { On, Stats } from '@holdfast/core'
import type { Gate } from './gate/gate.ts'
import type { UplinkEvents } from './types.ts'

/** Counts an uplink's events. */
export function countEvents(on: On<UplinkEvents>, gate: Gate, hand: { readonly size: number }): () => Stats {
  const sums = { batches: 0, messages: 0, bytes: 0 }
  const counts = { refused: 0, retried: 0, leaseLost: 0, opened: 0 }
  on('shipped', ({ messages, bytes }) => {
    sums.batches += 1
    sums.messages += messages
    sums.bytes += bytes
  })
  for (const event of Object.keys(counts) as (keyof typeof counts)[])
    on(event, () => {
      counts[event] += 1
    })
  return () => ({
    uplink_messages_in_hand: gauge('Messages taken from the queue and not settled', hand.size),
    uplink_circuit_open: gauge('1 while no request may be sent', gate.state === 'closed' ? 0 : 1),
    uplink_batches_total: counter('Batches that the collector accepted, whole or in part', sums.batches),
    uplink_messages_total: counter('Messages that the collector accepted', sums.messages),
    uplink_sent_bytes_total: counter('Bytes of accepted bodies, as sent', sums.bytes),
    uplink_refused_total: counter('Messages put to the dead letter', counts.refused),
    uplink_retries_total: counter('Requests that failed and were followed by another', counts.retried),
    uplink_leases_lost_total: counter('Messages whose lease ended in hand', counts.leaseLost),
    uplink_circuit_opened_total: counter('Times that the circuit opened', counts.opened),
  })
}

function gauge(help: string, value: number): Stats[string] {
  return { kind: 'gauge', help, value }
}

function counter(help: string, value: number): Stats[string] {
  return { kind: 'counter', help, value }
}
