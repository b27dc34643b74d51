/** Whether a crash would write a core dump, from what the system says. */
import { readFile } from 'node:fs/promises';
import { expect, it } from 'vitest';
import { coreDumpsOf } from '../../../src/app/hardening-cores.ts';

/** The lines around the limit, as Linux writes them. */
function limits(soft: string): string {
  return `Limit                     Soft Limit           Hard Limit           Units     
Max stack size            8388608              unlimited            bytes     
Max core file size        ${soft.padEnd(20)} unlimited            bytes     
Max resident set          unlimited            unlimited            bytes     
`;
}

const pipe = '|/usr/lib/systemd/systemd-coredump %P %u %g %s %t %c %h\n';

it.each([
  ['0', 'core\n', 'impossible', ''],
  ['1', 'core\n', 'impossible', ''],
  ['4096', 'core\n', 'file', 'LimitCORE=0'],
  ['unlimited', '/var/crash/core.%p\n', 'file', 'ulimit -c 0'],
  ['0', pipe, 'piped', 'LimitCORE=1'],
  ['unlimited', pipe, 'piped', 'LimitCORE=1'],
  ['1', pipe, 'impossible', ''],
])('with a limit of %s bytes and the pattern %j a dump is %s', (soft, pattern, kind, remedy) => {
  const dumps = coreDumpsOf({ limits: limits(soft), pattern });
  expect(dumps.kind).toBe(kind);
  expect('remedy' in dumps ? dumps.remedy : '').toContain(remedy);
});

it('a dump is unknown where the system does not say', () => {
  expect(coreDumpsOf({ limits: '', pattern: '' }).kind).toBe('unknown');
});

it('finds the limit of this system’s own text', async () => {
  const own = await readFile('/proc/self/limits', 'utf8');
  expect(coreDumpsOf({ limits: own, pattern: 'core' }).kind).not.toBe('unknown');
});
