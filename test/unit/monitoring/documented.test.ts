/** Every metric of the code is in docs/metrics.md, and every metric there is in the code. */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { projectRoot, readPage } from '../../support/pages.ts';

it('every metric that the code makes is documented, and no other', () => {
  const files = readdirSync(join(projectRoot, 'src'), { recursive: true, encoding: 'utf8' });
  const made = files
    .filter((name) => name.endsWith('.ts'))
    .flatMap((name) => [
      ...readPage(`src/${name}`).matchAll(
        /new (?:Tally)?(?:Counter|Gauge|Histogram|Summary)(?:<[^>]+>)?\(\{[^}]*?name: '(\w+)'/g,
      ),
    ])
    .map(([, name]) => name);
  const documented = [
    ...readPage('docs/metrics.md').matchAll(/^\| `(\w+)` \| (?:counter|gauge|histogram|summary) \|/gm),
  ];
  expect(made.length).toBeGreaterThan(20);
  expect([...new Set(made)].toSorted()).toEqual([...new Set(documented.map(([, name]) => name))].toSorted());
});
