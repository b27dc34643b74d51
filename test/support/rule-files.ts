/** The rules of `deploy/prometheus`, as their files have them. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { projectRoot } from './pages.ts';

/** The folder of the rule files. */
export const rulesFolder = join(projectRoot, 'deploy/prometheus');

/** The rule files by name. */
export const ruleFiles = readdirSync(rulesFolder).filter((name) => name.endsWith('.yaml'));

/** A recording rule. */
export interface Recording {
  readonly record: string;
  readonly expr: string;
}

/** An alert. */
export interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly for?: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

interface RuleFile {
  readonly groups: readonly { readonly name: string; readonly rules: readonly (Recording | Alert)[] }[];
}

const rules = ruleFiles.flatMap((name) => {
  const { groups }: RuleFile = parse(readFileSync(join(rulesFolder, name), 'utf8'));
  return groups.flatMap((group) => group.rules);
});

/** Every recording rule of every file. */
export const recordings = rules.filter((rule) => 'record' in rule);

/** Every alert of every file. */
export const alerts = rules.filter((rule) => 'alert' in rule);
