/** h2spec, which knows what HTTP/2 and HPACK demand of a server, against connections of ours. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { freePort, temporaryFolder } from '../support/daemon.ts';
import { startListening } from './interop/listening.ts';
import { folderOf } from './ready.ts';
import { run } from './run.ts';

const folder = folderOf('h2spec');

/** Cases of each group in this version of h2spec, with the strict ones. */
const groups = { generic: 44, http2: 95, hpack: 7 };

/** What a JUnit report holds: cases by the first part of their package, and those that did not pass, by their names. */
function readReport(xml: string): { cases: Record<string, number>; unmet: string[] } {
  const cases: Record<string, number> = {};
  const unmet: string[] = [];
  for (const [, group = '', rest = '', name = '', content = ''] of xml.matchAll(
    /<testcase package="([^"/]+)([^"]*)" classname="([^"]*)"[^>]*>(.*?)<\/testcase>/gs,
  )) {
    cases[group] = (cases[group] ?? 0) + 1;
    if (content.trim() !== '') unmet.push(`${group}${rest}: ${name}: ${content.trim()}`);
  }
  return { cases, unmet };
}

describe.skipIf(folder === undefined)('h2spec', () => {
  it('finds nothing amiss in a server on our connections, in any group, and skips nothing', async () => {
    await using place = await temporaryFolder();
    const port = await freePort();
    await using _server = await startListening(
      new URL('../support/h2-echo-server.ts', import.meta.url),
      `127.0.0.1:${port}`,
    );
    const report = join(place.path, 'report.xml');
    const where = ['--host', '127.0.0.1', '--port', String(port)];
    const flags = ['--strict', '--timeout', '10', '--junit-report', report];
    const { stdout, stderr } = await run(join(folder ?? '', 'h2spec'), [...Object.keys(groups), ...where, ...flags]);
    const { cases, unmet } = readReport(await readFile(report, 'utf8').catch(() => stdout + stderr));
    expect(unmet).toEqual([]);
    expect(cases).toEqual(groups);
    expect(stdout).toContain('146 tests, 146 passed, 0 skipped, 0 failed');
  });
});
