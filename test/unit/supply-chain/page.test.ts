/** docs/supply-chain.md says what the tables in build/ say. */
import { expect, it } from 'vitest';
import { readAllowList } from '../../../build/audit-allow-list.ts';
import { allowedLicences, licenceExceptions } from '../../../build/licences.ts';
import { unrunScripts } from '../../../build/lockfile-rules.ts';
import { blocksOf, readPage } from '../../support/pages.ts';

const page = readPage('docs/supply-chain.md');

/** Rows of the table with this head: first cell, without its quotes, → second. */
function tableOf(head: string): Readonly<Record<string, string>> {
  const lines = page.split(`\n${head}\n`)[1]?.split('\n\n')[0]?.split('\n').slice(1) ?? [];
  return Object.fromEntries(
    lines.map((line) => {
      const [, name = '', text = ''] = line.split('|').map((cell) => cell.trim());
      return [name.replaceAll('`', ''), text];
    }),
  );
}

it('lists the licences that may ship, and says whether there are exceptions', () => {
  expect(tableOf('| SPDX id | asks |')).toEqual(allowedLicences);
  expect(page.includes('There is no exception now.')).toBe(Object.keys(licenceExceptions).length === 0);
});

it('lists the install scripts that do not run', () => {
  expect(tableOf('| package | why it works without its script |')).toEqual(unrunScripts);
});

it('shows a row of the allow list that would be accepted', () => {
  const [example = ''] = blocksOf('docs/supply-chain.md', 'json');
  const { accepted, problems } = readAllowList(example, new Date('2026-02-01'));
  expect(problems).toEqual([]);
  expect(accepted).toHaveLength(1);
});
