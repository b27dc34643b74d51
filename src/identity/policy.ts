/**
 * Who may do what for which tenant: rules that allow, and nothing else does. A rule holds for a caller when one of its
 * patterns matches one of the caller's names.
 */
import { type Caller, callerNames } from '../base/caller.ts';
import { type Verb, verbs } from '../base/verb.ts';
import { type Pattern, patternOf } from './pattern.ts';

/** One rule. In patterns `*` stands for any run of characters but `:` and `/`, and alone for everything. */
export interface PolicyRule {
  /** `*` alone is every caller that has a name of its own: those who are anonymous have to be named. */
  readonly callers: readonly string[];
  readonly tenants: readonly string[];
  readonly operations: readonly (Verb | '*')[];
}

/** What one caller may do for a tenant, whether or not there is such a tenant. */
export type Rights = (tenant: string) => ReadonlySet<Verb>;

interface CompiledRule {
  readonly callers: readonly Pattern[];
  readonly tenants: readonly Pattern[];
  readonly verbs: ReadonlySet<Verb>;
}

export class Policy {
  readonly #rules: readonly CompiledRule[];

  constructor(rules: readonly PolicyRule[]) {
    this.#rules = rules.map((rule) => ({
      callers: rule.callers.map((text) => (text === '*' ? isNamed : patternOf(text))),
      tenants: rule.tenants.map((text) => (text === '*' ? () => true : patternOf(text))),
      verbs: new Set(rule.operations.flatMap((name) => (name === '*' ? verbs : [name]))),
    }));
  }

  /** What the caller may do: the rules that are not for it are not looked at again. */
  rightsOf(caller: Caller): Rights {
    const own = this.#rulesFor(callerNames(caller));
    return (tenant) => new Set(own.filter((rule) => isFor(rule, tenant)).flatMap((rule) => [...rule.verbs]));
  }

  /** The first rule that allows it, counted from 0; undefined where none does. */
  ruleFor(caller: Caller, tenant: string, verb: Verb): number | undefined {
    const rule = this.#rulesFor(callerNames(caller)).find((each) => isFor(each, tenant) && each.verbs.has(verb));
    return rule && this.#rules.indexOf(rule);
  }

  #rulesFor(names: readonly string[]): CompiledRule[] {
    return this.#rules.filter((rule) => rule.callers.some((matches) => names.some(matches)));
  }
}

function isNamed(name: string): boolean {
  return name !== 'anonymous';
}

function isFor(rule: CompiledRule, tenant: string): boolean {
  return rule.tenants.some((matches) => matches(tenant));
}
