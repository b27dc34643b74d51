/** Guesses which name was meant by one that does not exist. */

/** Longer names are not compared: nobody mistypes that much, and the effort grows with the product of the lengths. */
const longestCompared = 64;

/**
 * The one of `candidates` that `name` was most likely meant to be: at most a third of its letters wrong, missing,
 * extra or swapped with their neighbour, or one the beginning of the other. Undefined where nothing is near.
 */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  if (name.length > longestCompared) return undefined;
  const wanted = plain(name);
  let best: string | undefined;
  let bestDistance = Number.POSITIVE_INFINITY;
  for (const candidate of candidates) {
    const other = plain(candidate);
    const distance = isBeginning(wanted, other) ? 1 : editDistance(wanted, other);
    if (distance < bestDistance && distance <= Math.max(1, Math.floor(other.length / 3))) {
      best = candidate;
      bestDistance = distance;
    }
  }
  return best;
}

/** `TTL-Seconds`, `ttlSeconds` and `ttl_seconds` are the same name to a reader. */
function plain(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, '');
}

function isBeginning(a: string, b: string): boolean {
  const shorter = Math.min(a.length, b.length);
  return shorter >= 3 && (a.startsWith(b) || b.startsWith(a));
}

/** Optimal string alignment distance: Levenshtein with swaps of neighbours. */
function editDistance(a: string, b: string): number {
  let beforeLast: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const same = a[row - 1] === b[column - 1];
      let cost = Math.min(at(last, column) + 1, at(current, column - 1) + 1, at(last, column - 1) + (same ? 0 : 1));
      const swapped = row > 1 && column > 1 && a[row - 1] === b[column - 2] && a[row - 2] === b[column - 1];
      if (swapped) cost = Math.min(cost, at(beforeLast, column - 2) + 1);
      current.push(cost);
    }
    beforeLast = last;
    last = current;
  }
  return at(last, b.length);
}

function at(row: readonly number[], column: number): number {
  return row[column] ?? Number.POSITIVE_INFINITY;
}
