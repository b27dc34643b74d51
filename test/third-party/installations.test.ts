import { expect, inject, it } from 'vitest';
import { programNames } from './programs.ts';

it.each(programNames)('%s is installed and runs, wherever its toolchain is there', (name) => {
  const installation = inject('installations')[name];
  expect(installation.kind === 'failed' ? installation.why : 'no failure').toBe('no failure');
});
