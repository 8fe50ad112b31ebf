const WAITS = [500, 2000, 5000, 10_000];

/**
 * Load a part of the program that a page can do without: again while the line is down, and `without` it in the end. What
 * fails to load would break the page down, with all that is on it.
 */
export async function patiently<T>(load: () => Promise<T>, without: T, waits: readonly number[] = WAITS): Promise<T> {
  for (const wait of waits) {
    try {
      return await load();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, wait));
    }
  }
  return load().catch(() => without);
}
