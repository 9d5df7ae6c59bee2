/** A put, or a deletion where there is no value. */
export type Operation = readonly [key: Buffer, value: Buffer | undefined]
