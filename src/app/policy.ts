/** The policy in force: read at the start, and again when its file changes. A bad file leaves the last good one. */
import type { Clock } from '../base/clock.ts';
import { keepLooking } from '../base/looks.ts';
import type { PolicySource } from '../config/daemon-file.ts';
import { readConfigFile } from '../config/file.ts';
import { parsePolicyFile } from '../config/policy-file.ts';
import { ConfigError, type ConfigProblem, describeProblems } from '../config/problem.ts';
import { Policy } from '../identity/policy.ts';
import type { AccessRule } from '../operations/standing.ts';

/** Between two looks at the file, in milliseconds. */
const lookMs = 2_000;

export interface PolicyWatchOptions {
  readonly clock: Clock;
  /** There is another policy now. */
  readonly onChange: () => void;
  /** The file that changed cannot be used. */
  readonly onProblems: (problems: readonly ConfigProblem[]) => void;
}

export class PolicyInForce {
  readonly #source: PolicySource;
  #policy: Policy;
  /** What the file held when it was looked at last, or what was wrong with it. */
  #seen: string | undefined;

  private constructor(source: PolicySource, policy: Policy, seen: string | undefined) {
    this.#source = source;
    this.#policy = policy;
    this.#seen = seen;
  }

  /** Reads it. Throws a ConfigError. */
  static async open(source: PolicySource): Promise<PolicyInForce> {
    const { policy, text } = await readPolicy(source);
    return new PolicyInForce(source, policy, text);
  }

  /** What a caller may do, by the policy as it is now. */
  readonly access: AccessRule = (caller) => this.#policy.rightsOf(caller);

  /** Follows the file until the watch is disposed of. */
  watch(options: PolicyWatchOptions): Disposable {
    const { clock } = options;
    const { path } = { path: undefined, ...this.#source };
    if (path === undefined) return { [Symbol.dispose]() {} };
    return keepLooking({ clock, firstMs: lookMs, look: () => this.#look(path, options).then(() => lookMs) });
  }

  async #look(path: string, { onChange, onProblems }: PolicyWatchOptions): Promise<void> {
    try {
      const text = await readConfigFile(path);
      if (text === this.#seen) return;
      this.#seen = text;
      this.#policy = policyFrom(text, path);
      onChange();
    } catch (error) {
      if (!(error instanceof ConfigError)) throw error;
      const wrong = describeProblems(error.problems);
      const isUnreadable = error.problems.every(({ line }) => line === 0);
      if (isUnreadable && wrong === this.#seen) return;
      if (isUnreadable) this.#seen = wrong;
      onProblems(error.problems);
    }
  }
}

/** Reads a policy, with the text of its file where it has one. Throws a ConfigError. */
export async function readPolicy(source: PolicySource): Promise<{ policy: Policy; text?: string }> {
  if (source.kind === 'rules') return { policy: new Policy(source.rules) };
  const text = await readConfigFile(source.path);
  return { policy: policyFrom(text, source.path), text };
}

function policyFrom(text: string, file: string): Policy {
  const { config, problems } = parsePolicyFile(text, file);
  if (config === undefined) throw new ConfigError(problems);
  return new Policy(config);
}
