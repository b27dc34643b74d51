/** The policy's file: rules that allow callers operations for tenants. What no rule allows is denied. */
import { type Verb, verbs } from '../base/verb.ts';
import { type Parsed, ProblemCollector } from './problem.ts';
import { readShape } from './read.ts';
import { list, required, type Shape, section, type Values } from './shape.ts';
import { choice, text } from './values.ts';
import { readYaml } from './yaml-tree.ts';

/** The forms of a caller's name. In each `*` stands for any run of characters but `:` and `/`. */
const callerForms = [
  { example: 'socket', pattern: /^socket$/ },
  { example: 'socket:uid=1000', pattern: /^socket:uid=(0|[1-9]\d{0,9}|\*)$/ },
  { example: 'socket:gid=1000', pattern: /^socket:gid=(0|[1-9]\d{0,9}|\*)$/ },
  { example: 'socket:uid=1000,gid=1000', pattern: /^socket:uid=(0|[1-9]\d{0,9}|\*),gid=(0|[1-9]\d{0,9}|\*)$/ },
  { example: 'anonymous', pattern: /^anonymous$/ },
  {
    example: 'system:serviceaccount:NAMESPACE:NAME',
    pattern: /^system:serviceaccount:[a-z0-9*]([a-z0-9*-]{0,62}):[a-z0-9*]([a-z0-9.*-]{0,252})$/,
  },
  {
    example: 'spiffe://TRUST_DOMAIN/PATH',
    pattern: /^spiffe:\/\/[a-z0-9._*-]{1,255}(\/[A-Za-z0-9._*-]+)+$/,
  },
  { example: '*', pattern: /^\*$/ },
] as const;

const formsInWords = callerForms.map(({ example }) => example).join(', ');
const anyCaller = new RegExp(callerForms.map(({ pattern }) => `(?:${pattern.source})`).join('|'));

const caller = text(`the name of a caller, in which * stands for any run of characters: ${formsInWords}`, anyCaller);
const tenant = text('a tenant_id, in which * stands for any run of characters', /^[A-Za-z0-9._*-]{1,128}$/);
const operation = choice([...verbs, '*']);

const rule = section(
  {
    callers: required(list(caller, 'a list of callers'), 'Names of callers, or patterns of them.'),
    tenants: required(list(tenant, 'a list of tenants'), 'Names of tenants, or patterns of them.'),
    operations: required(list(operation, 'a list of operations'), 'What they may do; `*` is everything.'),
  },
  (values, place) => {
    for (const key of ['callers', 'tenants', 'operations'] as const) {
      if (values[key]?.length === 0)
        place.problem(key, 'is empty, so the rule allows nothing; name one, or take the rule out');
    }
  },
);

/** The keys of the policy's file. */
export const policyFields = {
  // Required: a file that is being written is empty for a moment, and that must not deny everything.
  rules: required(list(rule, 'a list of rules'), 'What is allowed; the order means nothing. `[]` denies everything.'),
};

/** One rule, checked. */
export interface PolicyFileRule {
  readonly callers: readonly string[];
  readonly tenants: readonly string[];
  readonly operations: readonly (Verb | '*')[];
}

/**
 * What is allowed where no policy is written: whoever can open the Unix socket may do everything, and so may anonymous
 * callers where the operator says that they are the same.
 */
export function rulesWithoutPolicy(allowAnonymous: boolean): readonly PolicyFileRule[] {
  const callers = allowAnonymous ? ['socket', 'anonymous'] : ['socket'];
  return [{ callers, tenants: ['*'], operations: ['*'] }];
}

const shape: Shape<Values<typeof policyFields>> = section(policyFields);

/** Reads a policy. Reports everything that is wrong at once and never throws. */
export function parsePolicyFile(source: string, file: string): Parsed<readonly PolicyFileRule[]> {
  const collector = new ProblemCollector();
  const read = readShape(readYaml(source, file, collector), shape, { file, collector });
  return collector.result(read?.rules);
}
