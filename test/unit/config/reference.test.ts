import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { describe, expect, test } from 'vitest';
import { parseDaemonFile } from '../../../src/config/daemon-file.ts';
import { describeProblems } from '../../../src/config/problem.ts';
import { configurationTables } from '../../../src/config/reference.ts';
import { parseTenantFile } from '../../../src/config/tenant-file.ts';

const page = readFileSync(resolve(import.meta.dirname, '../../../docs/configuration.md'), 'utf8');
const blocks = [...page.matchAll(/```yaml\n([\s\S]*?)```/g)].map((match) => match[1] ?? '');
const strict = { allowLocal: false, trustedEndpoints: [] };

describe('docs/configuration.md', () => {
  test('holds the tables that the shapes render', () => {
    expect(page).toContain(`\n${configurationTables()}\n`);
  });

  test('shows files that load without a problem or a warning', () => {
    const daemons = blocks.filter((block) => block.startsWith("# the daemon's file"));
    const tenants = blocks.filter((block) => block.startsWith("# a tenant's file"));
    expect([daemons.length, tenants.length]).toEqual([2, 1]);
    for (const { problems, warnings } of [
      ...daemons.map((text) => parseDaemonFile(text, 'k.yaml', {})),
      ...tenants.map((text) => parseTenantFile(text, 't.yaml', strict)),
    ]) {
      expect(describeProblems([...problems, ...warnings])).toBe('');
    }
  });

  test('shows the report that its faulty example really gets', () => {
    const faulty = blocks.find((block) => block.includes('acme corp!')) ?? '';
    const { problems } = parseTenantFile(faulty, 'tenants/acme.yaml', strict);
    expect(problems).toHaveLength(5);
    expect(page).toContain(`\`\`\`text\n${describeProblems(problems)}\n\`\`\``);
  });

  test('names what a later version has, which the file is refused for', () => {
    const rows = configurationTables().split('\n');
    const later = rows.filter((row) => row.includes('not in this version')).map((row) => row.split('`')[1] ?? '');
    const sentence = page.split('**What a later version has**')[1]?.split('\n')[0] ?? '';
    expect([...sentence.matchAll(/`([a-z_.]+)`/g)].map((match) => match[1])).toEqual(later);
    for (const name of later) {
      const { problems } = parseDaemonFile(`tenants: { directory: t }\n${name}: {}\n`, 'k.yaml', {});
      expect(problems.map(({ path }) => path)).toEqual([name]);
    }
  });
});
