/** What fails an audit, what is accepted and for how long, and what is not a pass. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readAllowList } from '../../../build/audit-allow-list.ts';
import { type Advisory, type AuditAnswer, type Severity, severities } from '../../../build/audit-report.ts';
import { type Evidence, verdictOf } from '../../../build/audit-verdict.ts';

const today = new Date('2026-03-10T12:00:00Z');

function advisory(name: string, severity: Severity): Advisory {
  return { id: `GHSA-0000-0000-${name}`, package: name, severity, range: '<2', title: `${name} is weak` };
}

function checked(...advisories: readonly Advisory[]): AuditAnswer {
  return { kind: 'checked', packages: 400, advisories };
}

function row(name: string, change: object = {}): object {
  const days = { reviewed: '2026-02-01', expires: '2026-04-01' };
  return { advisory: `GHSA-0000-0000-${name}`, package: name, reason: 'nothing calls it', ...days, ...change };
}

function listOf(...rows: readonly unknown[]) {
  return readAllowList(JSON.stringify(rows), today);
}

const calm: Evidence = {
  probe: checked(advisory('probe', 'critical')),
  production: checked(),
  everything: checked(),
  allowList: listOf(),
  strict: false,
};

describe('the verdict', () => {
  it('is a pass where somebody looked and found nothing', () => {
    expect(verdictOf(calm)).toEqual({
      lines: ['CHECKED  known weaknesses: 0 in 400 packages; reasons to fail: 0'],
      exitCode: 0,
    });
  });

  it.each(severities)(
    'of a weakness that is %s fails from moderate for what ships, at critical for tools',
    (severity) => {
      const found = checked(advisory('aaaa', severity));
      const ships = verdictOf({ ...calm, production: found, everything: found });
      const isTool = verdictOf({ ...calm, everything: found });
      const rank = severities.indexOf(severity);
      expect(ships.exitCode).toBe(rank >= severities.indexOf('moderate') ? 1 : 0);
      expect(isTool.exitCode).toBe(severity === 'critical' ? 1 : 0);
      const [line] = ships.lines;
      expect(line).toBe(
        `${ships.exitCode === 1 ? 'FAIL' : 'NOTED'}  production  ${severity}  GHSA-0000-0000-aaaa  aaaa <2  aaaa is weak`,
      );
      expect(isTool.lines[0]).toMatch(/^(FAIL|NOTED) {2}development/);
      expect(ships.lines).toHaveLength(2);
    },
  );

  it('lets pass what was reviewed, this weakness of this package alone', () => {
    const found = checked(advisory('aaaa', 'critical'));
    const evidence = { ...calm, production: found, everything: found };
    const passed = verdictOf({ ...evidence, allowList: listOf(row('aaaa')) });
    expect(passed.exitCode).toBe(0);
    expect(passed.lines[0]).toMatch(/^ALLOWED .* until 2026-04-01: nothing calls it$/);
    for (const change of [{ package: 'bbbb' }, { advisory: 'GHSA-0000-0000-bbbb' }]) {
      expect(verdictOf({ ...evidence, allowList: listOf(row('aaaa', change)) }).exitCode).toBe(1);
    }
  });

  it('mentions a row that is of no use any more', () => {
    const { lines, exitCode } = verdictOf({ ...calm, allowList: listOf(row('aaaa')) });
    expect(lines[0]).toBe('NOTED  the allow list has GHSA-0000-0000-aaaa of aaaa, which is not found any more');
    expect(exitCode).toBe(0);
  });

  it.each(['probe', 'production', 'everything'] as const)('is no pass where the %s was not checked', (part) => {
    const evidence = { ...calm, [part]: { kind: 'not_checked', why: 'the registry offers no audit' } } as const;
    expect(verdictOf(evidence)).toEqual({
      lines: ['NOT CHECKED  no dependency was looked up: the registry offers no audit'],
      exitCode: 0,
    });
    expect(verdictOf({ ...evidence, strict: true }).exitCode).toBe(1);
  });

  it.each(['probe', 'production', 'everything'] as const)('fails where the %s went wrong', (part) => {
    const { lines, exitCode } = verdictOf({ ...calm, [part]: { kind: 'failed', why: 'ENOLOCK' } });
    expect(lines).toEqual(['FAIL  the audit did not work: ENOLOCK']);
    expect(exitCode).toBe(1);
  });

  it('is no pass where the registry knows nothing of a package that is known to be weak', () => {
    const { lines } = verdictOf({ ...calm, probe: checked() });
    expect(lines).toEqual([expect.stringMatching(/^NOT CHECKED .*known to be vulnerable$/)]);
  });

  it('fails with a problem of the allow list, also where nothing was checked', () => {
    const allowList = listOf(row('aaaa', { expires: '2026-03-01' }));
    expect(verdictOf({ ...calm, allowList }).exitCode).toBe(1);
    expect(verdictOf({ ...calm, allowList, probe: { kind: 'not_checked', why: 'offline' } }).exitCode).toBe(1);
  });

  it('keeps one finding on one line, whatever its title holds', () => {
    const odd = { ...advisory('aaaa', 'low'), title: 'a\nCHECKED  all\r\u001b[2Jis well\u2028!' };
    const { lines } = verdictOf({ ...calm, everything: checked(odd) });
    expect(lines).toHaveLength(2);
    expect(lines[0]).toMatch(/ {2}a CHECKED {2}all \[2Jis well !$/);
  });
});

describe('the allow list', () => {
  it('of the project has no problem', () => {
    const file = join(import.meta.dirname, '../../../build/audit-allow-list.json');
    const problems = readAllowList(readFileSync(file, 'utf8'), new Date()).problems;
    // That a row has expired is for `npm run audit` to say: no test changes its mind by the calendar.
    expect(problems.filter((problem) => !problem.includes('expired on'))).toEqual([]);
  });

  it('counts on the last day, and not after it', () => {
    const text = JSON.stringify([row('aaaa')]);
    expect(readAllowList(text, new Date('2026-04-01T23:59:59Z')).problems).toEqual([]);
    expect(readAllowList(text, new Date('2026-04-02T00:00:00Z'))).toEqual({
      accepted: [],
      problems: [
        'row 1 of the allow list (GHSA-0000-0000-aaaa) expired on 2026-04-01; review it again, or update the package',
      ],
    });
  });

  it.each<[string, unknown, RegExp]>([
    ['has no reason', row('aaaa', { reason: '' }), /must have advisory, package, reason/],
    ['lacks a key', row('aaaa', { expires: undefined }), /must have advisory/],
    ['has a key too many', row('aaaa', { until: '2027-01-01' }), /and nothing else/],
    ['has a number', row('aaaa', { package: 7 }), /each a text/],
    ['is a text', 'GHSA-0000-0000-aaaa', /is no object/],
    ['is null', null, /is no object/],
    ['has no such day', row('aaaa', { expires: '2026-02-30' }), /not of the form/],
    ['has a day in another form', row('aaaa', { expires: '1 April 2026' }), /not of the form/],
    ['expires before its review', row('aaaa', { expires: '2026-01-31' }), /within 180 days of its review/],
    ['lasts too long', row('aaaa', { expires: '2026-08-01' }), /within 180 days of its review/],
    ['was reviewed tomorrow', row('aaaa', { reviewed: '2026-03-11' }), /a day that has not come/],
  ])('does not count a row that %s', (_, bad, problem) => {
    const { accepted, problems } = listOf(row('good'), bad);
    expect(accepted).toEqual([row('good')]);
    expect(problems).toEqual([expect.stringMatching(problem)]);
    expect(problems[0]).toMatch(/^row 2 of the allow list/);
  });

  it.each(['', '{}', 'null', '[', '"GHSA-0000-0000-aaaa"'])('has to be an array of JSON, which %j is not', (text) => {
    expect(readAllowList(text, today)).toEqual({ accepted: [], problems: [expect.stringMatching(/no JSON array/)] });
  });
});
