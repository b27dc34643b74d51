/**
 * The condition block of a policy: operators, set operators and `IfExists` over the keys that a request has.
 *
 * Source: IAM user guide, "Condition operators" and "Set operators"; KMS developer guide, "AWS KMS condition keys".
 * The trap worth a test: `ForAllValues` is true for a request that lacks the key altogether.
 */

/** What a request offers to conditions: key names in lower case, every value it has. An absent key is not listed. */
export type RequestFacts = ReadonlyMap<string, readonly string[]>;

export interface Condition {
  readonly set: 'one' | 'all' | 'any';
  readonly ifExists: boolean;
  readonly operator: OperatorName;
  /** Lower case: names of condition keys have no case. */
  readonly key: string;
  readonly values: readonly string[];
}

interface Operator {
  readonly negated: boolean;
  readonly matches: (actual: string, wanted: string) => boolean;
}

const equals = (actual: string, wanted: string): boolean => actual === wanted;
const equalsIgnoringCase = (actual: string, wanted: string): boolean => actual.toLowerCase() === wanted.toLowerCase();
const like = (actual: string, wanted: string): boolean => wildcard(wanted).test(actual);

const operators = {
  StringEquals: { negated: false, matches: equals },
  StringNotEquals: { negated: true, matches: equals },
  StringEqualsIgnoreCase: { negated: false, matches: equalsIgnoringCase },
  StringNotEqualsIgnoreCase: { negated: true, matches: equalsIgnoringCase },
  StringLike: { negated: false, matches: like },
  StringNotLike: { negated: true, matches: like },
  ArnEquals: { negated: false, matches: like },
  ArnLike: { negated: false, matches: like },
  ArnNotEquals: { negated: true, matches: like },
  ArnNotLike: { negated: true, matches: like },
  Bool: { negated: false, matches: equalsIgnoringCase },
  Null: { negated: false, matches: equals },
} as const satisfies Record<string, Operator>;

type OperatorName = keyof typeof operators;

/** Condition keys whose value the simulator knows, or knows to be absent from a direct call over plain HTTP. */
const knownKeys: ReadonlySet<string> = new Set([
  'aws:principalaccount',
  'aws:principalarn',
  'aws:requestedregion',
  'aws:securetransport',
  'aws:sourcevpc',
  'aws:sourcevpce',
  'kms:calleraccount',
  'kms:encryptionalgorithm',
  'kms:encryptioncontextkeys',
  'kms:keyorigin',
  'kms:keyspec',
  'kms:keyusage',
  'kms:multiregion',
  'kms:requestalias',
  'kms:viaservice',
  'sts:externalid',
  'sts:rolesessionname',
]);

/** A pattern in which `*` stands for any characters and `?` for one. */
export function wildcard(pattern: string, options: { ignoreCase?: boolean } = {}): RegExp {
  const source = pattern
    .replace(/[\\^$.|+()[\]{}]/g, '\\$&')
    .replaceAll('*', '.*')
    .replaceAll('?', '.');
  return new RegExp(`^${source}$`, options.ignoreCase ? 'is' : 's');
}

/** Reads one operator with one key; throws a TypeError for what is not evaluated here. */
export function parseCondition(written: string, key: string, values: readonly string[]): Condition {
  const match = /^(?:(ForAllValues|ForAnyValue):)?([A-Za-z]+?)(IfExists)?$/.exec(written);
  const operator = match?.[2] ?? '';
  if (!isOperator(operator)) throw new TypeError(`the condition operator ${written} is not evaluated here`);
  const name = key.toLowerCase();
  if (!knownKeys.has(name) && !/^kms:encryptioncontext:.|^[a-z0-9.-]+\.[a-z]+(\/[^:]*)?:(aud|sub)$/.test(name)) {
    throw new TypeError(`the condition key ${key} is not evaluated here`);
  }
  if (values.some((value) => value.includes('${'))) throw new TypeError('policy variables are not evaluated here');
  const set = match?.[1] === 'ForAllValues' ? 'all' : match?.[1] === 'ForAnyValue' ? 'any' : 'one';
  return { set, ifExists: match?.[3] !== undefined, operator, key: name, values };
}

/** Tells whether the request fulfils the condition. */
export function holds(condition: Condition, facts: RequestFacts): boolean {
  const actual = facts.get(condition.key);
  if (condition.operator === 'Null') return condition.values.includes(String(actual === undefined));
  const { negated, matches } = operators[condition.operator];
  if (actual === undefined) {
    return condition.ifExists || condition.set === 'all' || (negated && condition.set === 'one');
  }
  const fits = (value: string): boolean => condition.values.some((wanted) => matches(value, wanted)) !== negated;
  // A negated operator on several values must hold for each, or one harmless value would hide a forbidden one.
  if (condition.set === 'all' || (condition.set === 'one' && negated)) return actual.every(fits);
  return actual.some(fits);
}

function isOperator(name: string): name is OperatorName {
  return Object.hasOwn(operators, name);
}
