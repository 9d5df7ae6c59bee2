/** A circuit breaker's state; times are the clock's `now`. Pure. M. Nygard, "Release It!", ch. 5. */
export type Circuit =
  | { readonly state: 'closed'; readonly failures: number }
  | { readonly state: 'open'; readonly failures: number; readonly until: number; readonly openMs: number }
  /** One request is under way to try. */
  | { readonly state: 'half-open'; readonly failures: number; readonly openMs: number }

export interface CircuitLimits {
  readonly failures: number
  readonly openMs: number
  readonly maxOpenMs: number
}

export const closedCircuit: Circuit = { state: 'closed', failures: 0 }

/** Milliseconds until a request may be sent; `Infinity` while another one is trying. */
export function waitMs(circuit: Circuit, now: number): number {
  if (circuit.state === 'closed') return 0
  return circuit.state === 'open' ? Math.max(0, circuit.until - now) : Number.POSITIVE_INFINITY
}

/** A request is sent: out of an open circuit whose time is up it is the one that tries. */
export function onSend(circuit: Circuit): Circuit {
  return circuit.state === 'open' ? { ...circuit, state: 'half-open' } : circuit
}

/** The collector answered as one that works. */
export function onSuccess(): Circuit {
  return closedCircuit
}

/** A request failed: enough of them open the circuit; a failed try opens it for twice as long. */
export function onFailure(circuit: Circuit, now: number, limits: CircuitLimits): Circuit {
  const failures = circuit.failures + 1
  if (circuit.state === 'open') return { ...circuit, failures }
  if (circuit.state === 'closed' && failures < limits.failures) return { state: 'closed', failures }
  const openMs =
    circuit.state === 'half-open' ? Math.min(limits.maxOpenMs, circuit.openMs * 2) : limits.openMs
  return { state: 'open', failures, openMs, until: now + openMs }
}

/** A try that ended without a verdict, by our own abort: the next one may try at once. */
export function onCancel(circuit: Circuit, now: number): Circuit {
  return circuit.state === 'half-open' ? { ...circuit, state: 'open', until: now } : circuit
}
