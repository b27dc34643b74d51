/** What npm said: recorded of npm 11, cut down, with names of hosts taken out. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readAuditAnswer } from '../../../build/audit-report.ts';

function recorded(name: string): string {
  return readFileSync(join(import.meta.dirname, 'recorded', `${name}.json`), 'utf8');
}

/** A recorded report with something else in it. */
function changed(change: object): string {
  return JSON.stringify({ ...(JSON.parse(recorded('production')) as object), ...change });
}

const jws = {
  id: 'GHSA-aaaa-bbbb-cccc',
  package: 'jws',
  severity: 'high',
  range: '<4.0.2',
  title: 'Recorded example: signature check can be skipped',
};
const debug = {
  id: 'GHSA-dddd-eeee-ffff',
  package: 'debug',
  severity: 'low',
  range: '<=4.4.3',
  title: 'Recorded example: slow pattern',
};

describe('an answer of npm audit', () => {
  it('is a list of weaknesses, each once, without those that only need a weak package', () => {
    expect(readAuditAnswer(recorded('production'))).toEqual({
      kind: 'checked',
      packages: 459,
      advisories: [debug, jws],
    });
  });

  it('may be an empty list', () => {
    expect(readAuditAnswer(recorded('clean'))).toEqual({ kind: 'checked', packages: 459, advisories: [] });
  });

  it("has the registry's number for a weakness without an id of GitHub's", () => {
    const via = [{ source: 1234, name: 'one', severity: 'low', url: 'https://registry.example/1234' }];
    expect(readAuditAnswer(changed({ vulnerabilities: { one: { via } } }))).toMatchObject({
      advisories: [{ id: '1234', package: 'one', range: '', title: '' }],
    });
  });

  it.each([
    ['no-endpoint', 'the registry offers no audit: 405 Method Not Allowed - POST (address)'],
    [
      'refused-connection',
      'the registry cannot be reached: request to (address) failed, reason: connect ECONNREFUSED 127.0.0.1:9',
    ],
    ['no-such-host', /^the registry cannot be reached: .* getaddrinfo ENOTFOUND/],
  ])('says why nobody looked, without an address: %s', (name, why) => {
    const answer = readAuditAnswer(recorded(name));
    expect(answer).toEqual({ kind: 'not_checked', why: typeof why === 'string' ? why : expect.stringMatching(why) });
    expect(JSON.stringify(answer)).not.toMatch(/pass|https?:/);
  });

  it.each([404, 405, 410, 429, 500, 501, 502, 503, 504])('is excused by status %i', (statusCode) => {
    expect(readAuditAnswer(JSON.stringify({ message: `${statusCode} No`, statusCode })).kind).toBe('not_checked');
  });

  it.each([400, 401, 403, 407, 418])('is a failure with status %i', (statusCode) => {
    expect(readAuditAnswer(JSON.stringify({ message: `${statusCode} No`, statusCode })).kind).toBe('failed');
  });

  it.each([
    ['that there is no lockfile', recorded('no-lockfile')],
    [
      'a certificate that is not trusted',
      JSON.stringify({ message: 'request to https://a.example failed, reason: self-signed certificate' }),
    ],
    ['nothing', ''],
    ['no JSON', 'npm warn something\n{}'],
    ['null', 'null'],
    ['an empty object', '{}'],
    ['a list', '[]'],
    ['the report of npm 6', JSON.stringify({ actions: [], advisories: {}, metadata: { totalDependencies: 459 } })],
    ['a report of a later form', changed({ auditReportVersion: 3 })],
    ['a report about no package', changed({ metadata: { dependencies: { total: 0 } } })],
    ['a report without an account of packages', changed({ metadata: {} })],
    ['weaknesses that are counted and not told', changed({ vulnerabilities: {} })],
    [
      'a severity that is unknown',
      changed({ vulnerabilities: { one: { via: [{ source: 1, name: 'one', severity: 'catastrophic' }] } } }),
    ],
  ])('is a failure, never a clean report, where it is %s', (_, output) => {
    expect(readAuditAnswer(output).kind).toBe('failed');
  });
});
