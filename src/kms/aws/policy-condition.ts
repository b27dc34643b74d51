/**
 * Whether a condition of a policy holds for a call of keyproxy's, as far as that can be told without AWS: yes, no, or
 * not known from here. Source: IAM User Guide, "Condition operators", "Set operators"; AWS KMS Developer Guide,
 * "AWS KMS condition keys".
 */
import type { PolicyCondition } from './key-policy.ts';

/** Whether something holds; `unknown`: only AWS can tell. */
export type Truth = 'yes' | 'no' | 'unknown';

/**
 * What is known of a call, by condition key in lower case: its value, or `absent` for a key that such a call never
 * has. Keys that are not listed are not known.
 */
export type CallFacts = ReadonlyMap<string, string | 'absent'>;

type Match = (actual: string, wanted: string) => boolean;

const equals: Match = (actual, wanted) => actual === wanted;
const equalsIgnoringCase: Match = (actual, wanted) => actual.toLowerCase() === wanted.toLowerCase();
const like: Match = (actual, wanted) => matchesPattern(wanted, actual);

/** Operators whose values can be compared here, without `Not`. */
const matches: Readonly<Record<string, Match>> = {
  StringEquals: equals,
  StringEqualsIgnoreCase: equalsIgnoringCase,
  StringLike: like,
  ArnEquals: like,
  ArnLike: like,
  Bool: equalsIgnoringCase,
};

/**
 * Whether `value` matches a pattern in which `*` stands for any characters and `?` for one. Only the last `*` is ever
 * taken up again, so the time is bounded by the product of the lengths: a customer's policy is read here, and a
 * regular expression of many stars would not come to an end.
 */
export function matchesPattern(pattern: string, value: string): boolean {
  let [at, place, star, from] = [0, 0, -1, 0];
  while (at < value.length) {
    if (pattern[place] === '*') {
      [star, from] = [place++, at];
    } else if (place < pattern.length && (pattern[place] === '?' || pattern[place] === value[at])) {
      place++;
      at++;
    } else if (star >= 0) {
      [place, at] = [star + 1, ++from];
    } else return false;
  }
  while (pattern[place] === '*') place++;
  return place === pattern.length;
}

/** Judges one condition. */
export function judge({ operator: written, key, values }: PolicyCondition, facts: CallFacts): Truth {
  const {
    set,
    name = '',
    optional,
  } = /^(?:(?<set>ForAllValues|ForAnyValue):)?(?<name>[A-Za-z]+?)(?<optional>IfExists)?$/.exec(written)?.groups ?? {};
  const actual = facts.get(key.toLowerCase());
  if (actual === undefined) return 'unknown';
  if (name === 'Null') return truth(values.includes(String(actual === 'absent')));
  const isNegated = name.includes('Not');
  if (actual === 'absent')
    return truth(optional !== undefined || set === 'ForAllValues' || (isNegated && set === undefined));
  const positive = name.replace('Not', '');
  const match = Object.hasOwn(matches, positive) ? matches[positive] : undefined;
  if (match === undefined || values.some((value) => value.includes('${'))) return 'unknown';
  return truth(values.some((wanted) => match(actual, wanted)) !== isNegated);
}

/** All conditions of a statement together: one that does not hold decides. */
export function judgeAll(conditions: readonly PolicyCondition[], facts: CallFacts): Truth {
  const truths = conditions.map((condition) => judge(condition, facts));
  if (truths.includes('no')) return 'no';
  return truths.includes('unknown') ? 'unknown' : 'yes';
}

function truth(value: boolean): Truth {
  return value ? 'yes' : 'no';
}
