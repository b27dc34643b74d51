/**
 * Policy documents: read once, checked whole, trusted from there on.
 *
 * What the simulator does not evaluate it refuses with a TypeError, so that no policy of a test is ever half understood
 * and therefore kinder than at AWS. Source: IAM user guide, "IAM JSON policy element reference".
 */
import { type Condition, parseCondition } from './policy-conditions.ts';

/** Where a policy stands: on a key, on a role as its trust policy, or on an identity (session policies included). */
export type PolicyPlace = 'key' | 'trust' | 'identity';

/** A policy as its author writes it: the JSON text or what it parses to. */
export type PolicySource = string | object;

export interface PolicyDocument {
  readonly statements: readonly Statement[];
}

export interface Statement {
  readonly effect: 'Allow' | 'Deny';
  /** Empty on identities' policies. `*`, an account id or an ARN each. */
  readonly principals: readonly string[];
  /** ARNs of identity providers. */
  readonly federated: readonly string[];
  readonly actions: Patterns;
  readonly resources: Patterns;
  readonly conditions: readonly Condition[];
}

/** Wildcard patterns, and whether the statement covers what matches them or what does not. */
export interface Patterns {
  readonly patterns: readonly string[];
  readonly negated: boolean;
}

const elements = ['Sid', 'Effect', 'Principal', 'Action', 'NotAction', 'Resource', 'NotResource', 'Condition'];

/** Reads a policy; throws a TypeError that names what is wrong or not evaluated here. */
export function parsePolicy(source: PolicySource, place: PolicyPlace): PolicyDocument {
  const document: unknown = typeof source === 'string' ? JSON.parse(source) : structuredClone(source);
  const record = asRecord(document, 'a policy');
  const unknown = Object.keys(record).find((name) => !['Version', 'Id', 'Statement'].includes(name));
  if (unknown !== undefined) throw new TypeError(`a policy has no element ${unknown}`);
  if (record['Version'] !== undefined && record['Version'] !== '2012-10-17') {
    throw new TypeError('a policy here has the Version 2012-10-17');
  }
  const listed = Array.isArray(record['Statement']) ? record['Statement'] : [record['Statement']];
  return { statements: listed.map((statement) => parseStatement(asRecord(statement, 'a statement'), place)) };
}

function parseStatement(statement: Record<string, unknown>, place: PolicyPlace): Statement {
  const unknown = Object.keys(statement).find((name) => !elements.includes(name));
  if (unknown !== undefined) throw new TypeError(`the element ${unknown} is not evaluated here`);
  const effect = statement['Effect'];
  if (effect !== 'Allow' && effect !== 'Deny') throw new TypeError('Effect is Allow or Deny');
  const conditions = statement['Condition'] === undefined ? {} : asRecord(statement['Condition'], 'Condition');
  return {
    effect,
    ...parsePrincipals(statement['Principal'], place),
    actions: parsePatterns(statement, 'Action'),
    resources: place === 'trust' ? trustResources(statement) : parsePatterns(statement, 'Resource'),
    conditions: Object.entries(conditions).flatMap(([operator, keys]) =>
      Object.entries(asRecord(keys, operator)).map(([key, values]) =>
        parseCondition(operator, key, asStrings(values, key)),
      ),
    ),
  };
}

function parsePrincipals(principal: unknown, place: PolicyPlace): Pick<Statement, 'principals' | 'federated'> {
  if (place === 'identity') {
    if (principal !== undefined) throw new TypeError('a policy of an identity names no Principal');
    return { principals: [], federated: [] };
  }
  if (principal === '*') return { principals: ['*'], federated: [] };
  const record = asRecord(principal, 'Principal');
  const kinds = Object.keys(record);
  const other = kinds.find((kind) => !['AWS', 'Service', 'Federated'].includes(kind));
  if (kinds.length === 0 || other !== undefined) throw new TypeError('Principal names AWS, Service or Federated');
  const named = (kind: string) => (record[kind] === undefined ? [] : asStrings(record[kind], kind));
  // Nobody reaches the simulator as a service, so those never match.
  return { principals: named('AWS'), federated: named('Federated') };
}

function trustResources(statement: Record<string, unknown>): Patterns {
  if (statement['Resource'] !== undefined || statement['NotResource'] !== undefined) {
    throw new TypeError('a trust policy names no Resource');
  }
  return { patterns: ['*'], negated: false };
}

function parsePatterns(statement: Record<string, unknown>, name: 'Action' | 'Resource'): Patterns {
  const positive = statement[name];
  const negative = statement[`Not${name}`];
  if ((positive === undefined) === (negative === undefined)) throw new TypeError(`give ${name} or Not${name}`);
  const patterns = asStrings(positive ?? negative, name);
  if (patterns.some((pattern) => pattern.includes('${')))
    throw new TypeError('policy variables are not evaluated here');
  return { patterns, negated: positive === undefined };
}

function asRecord(value: unknown, what: string): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError(`${what} is an object`);
  return value as Record<string, unknown>;
}

function asStrings(value: unknown, what: string): readonly string[] {
  const list: readonly unknown[] = Array.isArray(value) ? value : [value];
  if (list.length === 0) throw new TypeError(`${what} is not empty`);
  return list.map((item) => {
    if (typeof item === 'string') return item;
    if (typeof item === 'boolean') return String(item);
    throw new TypeError(`${what} holds strings`);
  });
}
