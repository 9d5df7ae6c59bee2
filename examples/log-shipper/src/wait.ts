/** Waits until the condition holds, asking every 10 ms, for 30 s at most. */
export async function until(condition: () => Promise<boolean> | boolean, what: string): Promise<void> {
  const end = performance.now() + 30_000
  while (!(await condition())) {
    if (performance.now() > end) throw new Error(`waited 30 s in vain until ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
