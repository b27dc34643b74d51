/** What a caller may ask for. Policies, limits and the audit name verbs so. */
export const verbs = ['generate_dek', 'unwrap', 'encrypt', 'decrypt', 'rewrap', 'describe_tenant'] as const;

export type Verb = (typeof verbs)[number];

/** Tells whether the name is that of a verb. */
export function isVerb(name: string): name is Verb {
  return verbs.some((verb) => verb === name);
}
