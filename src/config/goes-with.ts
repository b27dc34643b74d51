/** Which keys of a section go with a choice that it makes, a credential or a login method. */
import type { Section } from './shape.ts';

/** Choice → the keys that it needs, and those that it takes beside them. */
export type KeysOf<Choice extends string> = Readonly<
  Record<Choice, { readonly needs: readonly string[]; readonly takes: readonly string[] }>
>;

/**
 * Reports each key that `choice` needs and that is missing, and each that only another choice has a use for. `kind` says
 * what it is a choice of.
 */
export function checkGoesWith<Choice extends string>(
  section: Section,
  { kind, choice, keys }: { kind: string; choice: Choice; keys: KeysOf<Choice> },
): void {
  const { needs, takes } = keys[choice];
  for (const key of needs) {
    if (!section.has(key)) section.problem(key, `is missing; the ${kind} ${choice} needs it`);
  }
  const all = Object.values<KeysOf<Choice>[Choice]>(keys).flatMap((of) => [...of.needs, ...of.takes]);
  for (const key of new Set(all)) {
    if (section.has(key) && !needs.includes(key) && !takes.includes(key)) {
      section.problem(key, `does not go with the ${kind} ${choice}`);
    }
  }
}
