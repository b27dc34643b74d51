/**
 * A key policy as its author wrote it, read for analysis and never for decisions: AWS alone decides. Source: IAM User
 * Guide, "IAM JSON policy element reference"; AWS KMS Developer Guide, "Key policies in AWS KMS".
 */

/** Patterns, and whether the statement is about what they match or about all else. */
export interface Patterns {
  readonly patterns: readonly string[];
  readonly negated: boolean;
}

/** One line of a condition block. */
export interface PolicyCondition {
  /** As written, `ForAllValues:StringEquals` say. */
  readonly operator: string;
  /** As written. */
  readonly key: string;
  readonly values: readonly string[];
}

/** One statement, in the form in which it is judged. */
export interface PolicyStatement {
  /** How to speak of it: `statement "Allow use of the key"`, or by its number. */
  readonly name: string;
  readonly effect: 'Allow' | 'Deny';
  /** Of the kind `AWS`: ARNs, account ids, `*`. Services and federated identities are never keyproxy. */
  readonly principals: Patterns;
  readonly actions: Patterns;
  readonly resources: Patterns;
  readonly conditions: readonly PolicyCondition[];
}

/** A policy, or everything that keeps a text from being one. */
export type ParsedKeyPolicy =
  | { readonly kind: 'policy'; readonly statements: readonly PolicyStatement[] }
  | { readonly kind: 'unusable'; readonly problems: readonly string[] };

type Report = (problem: string) => void;

/** What may stand in a line of output; anything else is spoken of by its number. */
const printableSid = /^[A-Za-z0-9 _.,:@/()'-]{1,100}$/;

/** Reads a policy. Problems are clauses that follow the name of the file; they quote nothing of it. */
export function parseKeyPolicy(text: string): ParsedKeyPolicy {
  const problems: string[] = [];
  const statements = readStatements(text, (problem) => problems.push(problem));
  if (problems.length > 0) return { kind: 'unusable', problems };
  return { kind: 'policy', statements };
}

function readStatements(text: string, report: Report): PolicyStatement[] {
  let document: unknown;
  try {
    document = JSON.parse(text);
  } catch {
    report('is not JSON; a key policy begins with { "Version": "2012-10-17", "Statement": [');
    return [];
  }
  if (!isRecord(document)) {
    report('is not a policy: the outermost value has to be an object with "Version" and "Statement"');
    return [];
  }
  const { Statement: written } = document;
  const listed: readonly unknown[] = Array.isArray(written) ? written : written === undefined ? [] : [written];
  if (listed.length === 0) report('has no "Statement", so it allows nobody anything');
  return listed.flatMap((statement, index) => {
    const of = (problem: string) => report(`statement ${index + 1} ${problem}`);
    if (isRecord(statement)) return [readStatement(statement, index, of)];
    of('is not an object');
    return [];
  });
}

function readStatement(statement: Record<string, unknown>, index: number, report: Report): PolicyStatement {
  const { Effect: effect, Sid: sid } = statement;
  if (effect !== 'Allow' && effect !== 'Deny') report('needs "Effect": "Allow" or "Deny"');
  const isPrintable = typeof sid === 'string' && printableSid.test(sid);
  return {
    name: isPrintable ? `statement "${sid}"` : `statement ${index + 1}`,
    effect: effect === 'Deny' ? 'Deny' : 'Allow',
    principals: readPrincipals(statement, report),
    actions: readPatterns(statement, 'Action', report),
    resources: readPatterns(statement, 'Resource', report),
    conditions: readConditions(statement['Condition'], report),
  };
}

function readPrincipals(statement: Record<string, unknown>, report: Report): Patterns {
  const { Principal: positive, NotPrincipal: negative } = statement;
  const written = positive ?? negative;
  const negated = positive === undefined;
  if ((positive === undefined) === (negative === undefined)) {
    report('needs a "Principal": a key policy has to say whom it is about');
    return { patterns: [], negated: false };
  }
  if (written === '*') return { patterns: ['*'], negated };
  if (!isRecord(written)) {
    report('needs a "Principal" of the form { "AWS": "arn:aws:iam::ACCOUNT:role/NAME" }');
    return { patterns: [], negated };
  }
  return { patterns: written['AWS'] === undefined ? [] : readStrings(written['AWS'], 'Principal', report), negated };
}

function readPatterns(statement: Record<string, unknown>, name: 'Action' | 'Resource', report: Report): Patterns {
  const positive = statement[name];
  const negative = statement[`Not${name}`];
  if ((positive === undefined) === (negative === undefined)) {
    report(`needs "${name}" or "Not${name}"`);
    return { patterns: [], negated: false };
  }
  return { patterns: readStrings(positive ?? negative, name, report), negated: positive === undefined };
}

function readConditions(written: unknown, report: Report): PolicyCondition[] {
  if (written === undefined) return [];
  if (!isRecord(written)) {
    report('has a "Condition" that is not an object');
    return [];
  }
  return Object.entries(written).flatMap(([operator, keys]) => {
    if (isRecord(keys)) {
      return Object.entries(keys).map(([key, values]) => ({
        operator,
        key,
        values: readStrings(values, 'Condition', report),
      }));
    }
    report('has a "Condition" whose operators do not hold objects');
    return [];
  });
}

function readStrings(written: unknown, what: string, report: Report): string[] {
  const listed: readonly unknown[] = Array.isArray(written) ? written : [written];
  if (listed.length === 0) report(`has an empty "${what}"`);
  return listed.flatMap((value) => {
    if (typeof value === 'string') return [value];
    if (typeof value === 'boolean' || typeof value === 'number') return [String(value)];
    report(`has a "${what}" that holds something else than strings`);
    return [];
  });
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
