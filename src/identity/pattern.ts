/**
 * Patterns of names, in which `*` stands for any run of characters but `:` and `/`. Matching takes no longer than both
 * are long, multiplied, whatever a caller has chosen for a name.
 */

/** Tells whether a name fits. */
export type Pattern = (name: string) => boolean;

const separator = /([:/])/;

/** Reads a pattern. */
export function patternOf(text: string): Pattern {
  if (!text.includes('*')) return (name) => name === text;
  // No star reaches over a separator, so the parts between them fit one by one.
  const parts = text.split(separator);
  return (name) => {
    const found = name.split(separator);
    return found.length === parts.length && found.every((part, at) => fits(parts[at] ?? '', part));
  };
}

/** Whether `text` fits a pattern without separators: the last star that was passed takes more where it does not. */
function fits(pattern: string, text: string): boolean {
  let [at, from] = [0, 0];
  let star: { readonly next: number; taken: number } | undefined;
  while (from < text.length) {
    if (pattern[at] === '*') {
      at += 1;
      star = { next: at, taken: from };
    } else if (pattern[at] === text[from]) {
      at += 1;
      from += 1;
    } else if (star === undefined) return false;
    else {
      star.taken += 1;
      at = star.next;
      from = star.taken;
    }
  }
  while (pattern[at] === '*') at += 1;
  return at === pattern.length;
}
