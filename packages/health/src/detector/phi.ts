/**
 * The φ accrual failure detector's scale (N. Hayashibara, X. Défago, R. Yared,
 * T. Katayama, 2004): φ = −log10 of the probability that a beat comes even
 * later than this. At φ = 1 one in ten silences of that length was no death,
 * at 2 one in a hundred, and so on.
 *
 * The normal distribution's tail is approximated by a logistic curve
 * (S. Bowling et al., 2009; error below 1.4e-4), as Akka does, but worked out as a
 * logarithm: the tail itself becomes 0, and its logarithm Infinity, above 21 σ.
 */
export function phi(silentMs: number, { meanMs, deviationMs }: Rhythm): number {
  const sigmas = (silentMs - meanMs) / deviationMs
  const exponent = sigmas * (1.5976 + 0.070566 * sigmas * sigmas)
  // −log10(e^−x / (1 + e^−x)) is log10(1 + e^x); for large x, x / ln 10.
  const value = exponent > 30 ? exponent * Math.LOG10E : Math.log1p(Math.exp(exponent)) * Math.LOG10E
  return Math.min(value, maxPhi)
}

/** φ is capped here: beyond it, certainty is the model's and not the world's. */
export const maxPhi = 100

/** When the next beat is expected after the last, and how far that spreads, in milliseconds; the deviation is > 0. */
export interface Rhythm {
  readonly meanMs: number
  readonly deviationMs: number
}
