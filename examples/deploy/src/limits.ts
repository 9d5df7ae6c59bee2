/** The whole stop takes no longer. What stops this process from outside waits longer than this before it kills. */
export const stopBudgetMs = 25_000
