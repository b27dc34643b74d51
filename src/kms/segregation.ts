/**
 * Which keys an environment may use, by what their owner calls them and marks them with: so that a slip of the pen in
 * a tenant's file does not put production's data under a key of somebody's tests.
 */
import { KeyproxyError } from '../base/errors.ts';
import { KmsError } from './fault.ts';
import type { KeyFacts } from './key-facts.ts';
import type { KeyService, ProviderName } from './key-service.ts';

/** What the check of a key is called in errors. */
export const checkOperation = 'CheckSegregation';

/** What the keys of one environment have to look like. */
export interface SegregationRule {
  /** Begins the key's name, or one of its aliases. */
  readonly keyPrefix?: string;
  /** Tags that the key has to have, with their values; empty where it needs none. */
  readonly requiredTags: ReadonlyMap<string, string>;
  /** Whether a second person has to agree to a key. The control plane asks, when one is registered; nobody else. */
  readonly approvalRequired: boolean;
}

/** The matrix: environment → rule. */
export type Segregation = ReadonlyMap<string, SegregationRule>;

/** What the daemon's file says: the matrix, where there is one, and the environment of tenants that name none. */
export interface SegregationSetting {
  readonly segregation?: Segregation | undefined;
  readonly environment: string;
}

/** The row that counts for a tenant. */
export interface EnvironmentRule extends SegregationRule {
  readonly environment: string;
}

/**
 * The rule for a tenant, whose file may name an environment of its own; undefined where there is no matrix. Throws
 * `KEY_OUTSIDE_SEGREGATION` where the matrix has no row for its environment: whoever keeps one means all of them.
 */
export function ruleFor(
  tenant: { readonly environment?: string | undefined },
  { segregation, environment: own }: Partial<SegregationSetting>,
): EnvironmentRule | undefined {
  if (segregation === undefined) return undefined;
  const environment = tenant.environment ?? own ?? '';
  const rule = segregation.get(environment);
  if (rule !== undefined) return { environment, ...rule };
  const rows = [...segregation.keys()].join(', ');
  const detail =
    `the segregation matrix has no row for the environment ${environment}, but for ${rows}; ` +
    'correct the environment, or add its row';
  throw new KeyproxyError('KEY_OUTSIDE_SEGREGATION', { detail });
}

/** What a provider has for names and for tags. */
interface Customs {
  readonly name: 'name' | 'alias';
  /** Whether `prod-a` and `PROD-A` are the same name there. */
  readonly foldsNames?: true;
  /** Absent: its keys have none. */
  readonly tag?: 'tag' | 'label';
  /** Whether names and values of tags are in lower case alone, so that the matrix's are read that way. */
  readonly foldsTags?: true;
}

const customs: Readonly<Record<ProviderName, Customs>> = {
  aws_kms: { name: 'alias', tag: 'tag' },
  // "Object identifiers" in the documentation of Key Vault.
  azure_kv: { name: 'name', foldsNames: true, tag: 'tag' },
  // https://cloud.google.com/kms/docs/labeling-keys
  gcp_kms: { name: 'name', tag: 'label', foldsTags: true },
  vault: { name: 'name' },
  local: { name: 'name' },
};

/**
 * Requires that a key fits the rule of its environment, by facts that are read now. Throws a `KmsError`:
 * `KEY_OUTSIDE_SEGREGATION` with what is wanted, or with the permission that is missing; else whatever kept the facts
 * from being read, which says nothing about the key.
 */
export async function expectInside(service: KeyService, rule: EnvironmentRule, signal: AbortSignal): Promise<void> {
  const { provider } = service;
  const wanted = { names: rule.keyPrefix !== undefined, tags: rule.requiredTags.size > 0 };
  const hasNone = wanted.tags && customs[provider].tag === undefined;
  if (hasNone) throw outside(provider, taglessKey(rule, provider));
  if (!wanted.names && !wanted.tags) return;
  const facts = await service.facts?.({ ...wanted, signal });
  const problems = facts === undefined ? ['it does not tell what it is called'] : problemsOf(rule, provider, facts);
  if (problems.length > 0) throw outside(provider, problems.join('; '));
}

function taglessKey({ environment }: EnvironmentRule, provider: ProviderName): string {
  return (
    `a key in ${environment} has to have tags, and keys of ${provider} have none; ` +
    "use another provider, or take required_tags out of the environment's row"
  );
}

/** What is wrong with a key, a clause each. */
function problemsOf(rule: EnvironmentRule, provider: ProviderName, facts: KeyFacts): string[] {
  const { keyPrefix, requiredTags, environment } = rule;
  const { name, tag, foldsNames, foldsTags } = customs[provider];
  const problems: string[] = [];
  const nameOf = folding(foldsNames);
  if (keyPrefix !== undefined && !facts.names.some((own) => nameOf(own).startsWith(nameOf(keyPrefix)))) {
    const article = name === 'alias' ? 'an' : 'a';
    problems.push(
      `a key in ${environment} has to have ${article} ${name} that begins with ${keyPrefix}, ${called(facts)}`,
    );
  }
  const tagOf = folding(foldsTags);
  for (const [key, value] of requiredTags) {
    if (facts.tags.get(tagOf(key)) === tagOf(value)) continue;
    problems.push(`a key in ${environment} has to have the ${tag} ${tagOf(key)} with the value ${tagOf(value)}`);
  }
  return problems;
}

function folding(folds: true | undefined): (text: string) => string {
  return (text) => (folds ? text.toLowerCase() : text);
}

/** Most names that an error shows. */
const mostShown = 3;
/** A name that a line of a log can hold; every provider's are of this form. */
const shownName = /^[\w./-]{1,256}$/;

function called({ names }: KeyFacts): string {
  if (names.length === 0) return 'and this one has none';
  const shown = names.filter((name) => shownName.test(name)).slice(0, mostShown);
  return `and this one has ${shown.join(', ')}${names.length > shown.length ? ' and others' : ''}`;
}

function outside(provider: ProviderName, advice: string): KmsError {
  return new KmsError(
    { kind: 'config', reason: 'KEY_OUTSIDE_SEGREGATION' },
    { provider, operation: checkOperation, advice },
  );
}
