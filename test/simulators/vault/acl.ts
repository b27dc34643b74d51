/**
 * What a token's policies allow on a path.
 *
 * One rule decides: the one for exactly this path, or else the most specific of those with `*` at their end or `+` for a
 * segment. Rules of several policies for one and the same path are added up; `deny` beats all. Nothing said is a no.
 * Source: OpenBao `vault/acl.go` (the order of `CheckAllowedFromNonExactPaths`), documentation "Policies".
 */

export type Capability = 'create' | 'read' | 'update' | 'delete' | 'list' | 'sudo' | 'deny';

/** Paths relative to the policy's namespace → capabilities. */
export type PolicyRules = Readonly<Record<string, readonly Capability[]>>;

/** One policy of one namespace. */
export interface Policy {
  readonly name: string;
  /** `ns1/ns2/` or empty. */
  readonly namespacePath: string;
  readonly rules: PolicyRules;
}

const capabilities: readonly Capability[] = ['create', 'read', 'update', 'delete', 'list', 'sudo', 'deny'];

/** Throws a TypeError for rules that a server would not take. */
export function checkRules(rules: PolicyRules): void {
  for (const [path, granted] of Object.entries(rules)) {
    if (path.startsWith('/')) throw new TypeError(`${path} begins with a slash`);
    if (path.includes('+*')) throw new TypeError(`${path} has +*`);
    if (/[^/]\+|\+[^/]/.test(path.replace(/\*$/, ''))) throw new TypeError(`+ is not a whole segment of ${path}`);
    for (const capability of granted) {
      if (!capabilities.includes(capability)) throw new TypeError(`${String(capability)} is not a capability`);
    }
  }
}

/** The capabilities on a path that begins with its namespace; `deny` alone where there are none. */
export function capabilitiesOn(policies: readonly Policy[], path: string): readonly Capability[] {
  if (policies.some((policy) => policy.name === 'root')) return capabilities.filter((name) => name !== 'deny');
  const rule = ruleFor(mergedRules(policies), path);
  if (rule === undefined || rule.has('deny') || rule.size === 0) return ['deny'];
  return [...rule];
}

function mergedRules(policies: readonly Policy[]): Map<string, Set<Capability>> {
  const merged = new Map<string, Set<Capability>>();
  for (const { namespacePath, rules } of policies) {
    for (const [path, granted] of Object.entries(rules)) {
      const full = namespacePath + path;
      merged.set(full, new Set([...(merged.get(full) ?? []), ...granted]));
    }
  }
  return merged;
}

function ruleFor(rules: Map<string, Set<Capability>>, path: string): Set<Capability> | undefined {
  const exact = hasWildcard(path) ? undefined : rules.get(path);
  if (exact !== undefined) return exact;
  const best = [...rules.keys()].filter((pattern) => hasWildcard(pattern) && matches(pattern, path)).sort(weakerFirst);
  const chosen = best.at(-1);
  return chosen === undefined ? undefined : rules.get(chosen);
}

function hasWildcard(pattern: string): boolean {
  return pattern.endsWith('*') || pattern.split('/').includes('+');
}

function matches(pattern: string, path: string): boolean {
  const prefix = pattern.endsWith('*');
  const wanted = (prefix ? pattern.slice(0, -1) : pattern).split('/');
  const given = path.split('/');
  if (given.length < wanted.length || (!prefix && given.length !== wanted.length)) return false;
  return wanted.every((part, index) => {
    const other = given[index] ?? '';
    const last = prefix && index === wanted.length - 1;
    return part === '+' || part === other || (last && other.startsWith(part));
  });
}

/** By the place of the first wildcard, then whether it ends in `*`, then the number of `+`, then length, then alphabet. */
function weakerFirst(one: string, other: string): number {
  const [a, b] = [specificity(one), specificity(other)];
  return (
    a.first - b.first ||
    Number(b.prefix) - Number(a.prefix) ||
    b.segments - a.segments ||
    a.length - b.length ||
    (one < other ? -1 : 1)
  );
}

function specificity(pattern: string): { first: number; prefix: boolean; segments: number; length: number } {
  const prefix = pattern.endsWith('*');
  const path = prefix ? pattern.slice(0, -1) : pattern;
  const plus = path.indexOf('+');
  return {
    first: plus < 0 ? path.length : plus,
    prefix,
    segments: path.split('/').filter((part) => part === '+').length,
    length: path.length,
  };
}
