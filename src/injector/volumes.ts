/** Volumes of a pod, against keyproxy's own. */
import { quantityOf } from '../base/quantity.ts';
import { at, objectIn } from './json.ts';

/**
 * Whether a volume has all of `wanted`. What the API server has added by default may be beside it, and what policies of
 * others do with volumes: sizes in another spelling or larger, and more sources of files.
 */
export function serves(volume: unknown, wanted: unknown): boolean {
  const fields = objectIn(wanted);
  if (fields === undefined) return volume === wanted;
  return Object.entries(fields).every(([name, field]) => (rules[name] ?? serves)(at(volume, name), field));
}

const rules: Readonly<Record<string, typeof serves>> = {
  sizeLimit(size, wanted) {
    const found = quantityOf(String(size));
    return found !== undefined && found >= (quantityOf(String(wanted)) ?? 0n);
  },
  // In their order: each is looked at once, however many a pod has.
  sources(sources, wanted) {
    if (!Array.isArray(sources) || !Array.isArray(wanted)) return false;
    let found = 0;
    for (const source of sources) if (found < wanted.length && serves(source, wanted[found])) found++;
    return found === wanted.length;
  },
};
