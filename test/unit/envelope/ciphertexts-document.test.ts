/** What docs/ciphertexts.md lets other people run does run, and is what this project runs itself. */
import { execFile, spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';
import { knownAnswers } from '../../support/known-answers.ts';

const root = resolve(import.meta.dirname, '../../..');
const page = readFileSync(resolve(root, 'docs/ciphertexts.md'), 'utf8');
const python = spawnSync('python3', ['-c', 'import cryptography']).status === 0;

function block(language: string, beginning: string): string {
  const blocks = [...page.matchAll(/```(\w+)\n(.*?)```/gs)];
  const found = blocks.find(([, name, text]) => name === language && text?.startsWith(beginning));
  return found?.[2] ?? '';
}

it('shows the keyring that the tests use', () => {
  const source = readFileSync(resolve(root, 'test/support/official-sdk.ts'), 'utf8');
  const shown = block('ts', 'export class UnwrappedKeyKeyring');
  expect(shown.length).toBeGreaterThan(300);
  expect(source.endsWith(shown)).toBe(true);
});

it('states the derivation for zero keys as the known answers have it', () => {
  const [zero] = knownAnswers.messageKeys;
  expect(page).toContain(`commitment   ${zero?.commitment}`);
  expect(page).toContain(`content key  ${zero?.contentKey}`);
});

it.skipIf(!python)('recomputes every known answer in Python', async () => {
  const script = block('python', 'import hashlib');
  const file = resolve(root, 'test/vectors/keyproxy.json');
  const { stdout } = await promisify(execFile)('python3', ['-c', script, file]);
  const { contexts, messageKeys, derivedDeks, wrappedDeks, associatedData, messages } = knownAnswers;
  const bound = messages.filter((message) => message.associatedData !== '').length;
  const due =
    contexts.length + 2 * messageKeys.length + derivedDeks.length + 2 * wrappedDeks.length + associatedData.length;
  expect(stdout).toBe(`${due + messages.length + bound} answers recomputed\n`);
});
