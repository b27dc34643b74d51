/**
 * Who may do what for which tenant: rules that allow, and nothing else does. A rule holds for a caller when one of its
 * patterns matches one of the caller's names.
 */
import { type Caller, callerNames } from '../base/caller.ts';
import type { TenantId } from '../base/ids.ts';
import { type Verb, verbs } from '../base/verb.ts';

/** One rule. In patterns `*` stands for any run of characters but `:` and `/`, and `*` alone for everything. */
export interface PolicyRule {
  readonly callers: readonly string[];
  readonly tenants: readonly string[];
  readonly operations: readonly (Verb | '*')[];
}

interface CompiledRule {
  readonly callers: readonly Pattern[];
  readonly tenants: readonly Pattern[];
  readonly verbs: ReadonlySet<Verb>;
}

type Pattern = (name: string) => boolean;

export class Policy {
  readonly #rules: readonly CompiledRule[];

  constructor(rules: readonly PolicyRule[]) {
    this.#rules = rules.map((rule) => ({
      callers: rule.callers.map(patternOf),
      tenants: rule.tenants.map(patternOf),
      verbs: new Set(rule.operations.flatMap((name) => (name === '*' ? verbs : [name]))),
    }));
  }

  /** What the caller may do for the tenant, whether or not there is such a tenant. */
  verbsFor(caller: Caller, tenant: TenantId): ReadonlySet<Verb> {
    return new Set(this.#rulesFor(callerNames(caller), tenant).flatMap((rule) => [...rule.verbs]));
  }

  /** The first rule that allows it, counted from 0; undefined where none does. `names` are those of one caller. */
  ruleFor(names: readonly string[], tenant: string, verb: Verb): number | undefined {
    const rule = this.#rulesFor(names, tenant).find((each) => each.verbs.has(verb));
    return rule && this.#rules.indexOf(rule);
  }

  #rulesFor(names: readonly string[], tenant: string): CompiledRule[] {
    return this.#rules.filter(
      (rule) => rule.callers.some((matches) => names.some(matches)) && rule.tenants.some((matches) => matches(tenant)),
    );
  }
}

function patternOf(text: string): Pattern {
  if (text === '*') return () => true;
  if (!text.includes('*')) return (name) => name === text;
  const source = text.split('*').map(literally).join('[^:/]*');
  const expression = new RegExp(`^${source}$`, 'u');
  return (name) => expression.test(name);
}

function literally(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&');
}
