/** The threat model names what there is: an auditor follows its names into the code. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { hardenedFlags } from '../../../src/app/hardening-flags.ts';
import { inherited } from '../../../src/app/hardening-inherited.ts';
import { blocksOf, projectRoot, readPage } from '../../support/pages.ts';

const page = readPage('docs/threat-model.md');

it('names only files that exist', () => {
  const files = [...page.matchAll(/`((?:src|test|deploy|docs)\/[\w./-]+)`/g)].map(([, file = '']) => file);
  expect(files.length).toBeGreaterThan(30);
  expect(files.filter((file) => !existsSync(join(projectRoot, file)))).toEqual([]);
});

it('shows the flags that make a process hardened for the default socket', () => {
  const [command = ''] = blocksOf('docs/threat-model.md', 'sh');
  const words = command.replaceAll(/['\\]/g, '').split(/\s+/);
  const flags = hardenedFlags({ writable: ['/run/keyproxy'], nativeModules: false });
  expect(words.slice(1, words.indexOf('/opt/keyproxy/keyproxy.js'))).toEqual(flags);
});

it('names the variables and options of Node that are taken over as they are', () => {
  const section = page.split("**Node's options**")[1]?.split('\n\n')[0] ?? '';
  const variables = [...section.matchAll(/`(NODE_\w+)`/g)].map(([, name = '']) => name);
  const env = Object.fromEntries(variables.map((name) => [name, 'x']));
  const options = [...section.matchAll(/`(--[\w-]+)`/g)].map(([, name = '']) => name);
  const taken = inherited({ execArgv: options, env: { ...env, NODE_OPTIONS: '' } });
  expect([variables.length, options.length]).toEqual([9, 4]);
  expect(taken.dropped).toEqual([]);
});
