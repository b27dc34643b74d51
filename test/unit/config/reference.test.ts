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

  test('names every key that is accepted and not acted on', () => {
    const rows = configurationTables().split('\n');
    const idle = rows.filter((row) => row.includes('not acted on')).map((row) => row.split('`')[1]);
    expect(idle.length).toBeGreaterThan(0);
    const section = page.split('## Accepted, not acted on yet')[1]?.split('\n## ')[0] ?? '';
    expect([...section.matchAll(/`([a-z_.]+)`/g)].map((match) => match[1]).toSorted()).toEqual(idle.toSorted());
  });
});
