/** Whoever signs wrongly gets the documented code and status, from KMS and STS alike. */
import { describe, expect, it } from 'vitest';
import { assumed, movableClock, type RawRequest, rawCall } from '../../simulators/aws/clients.ts';
import { type AwsSimulator, startAwsSimulator } from '../../simulators/aws/server.ts';

const minute = 60_000;

interface Case {
  readonly situation: string;
  readonly request: (aws: AwsSimulator) => RawRequest;
  readonly kms: string;
  readonly sts: string;
  readonly stsStatus: number;
}

const signature = { kms: 'InvalidSignatureException', sts: 'SignatureDoesNotMatch', stsStatus: 403 };
const unknown = { kms: 'UnrecognizedClientException', sts: 'InvalidClientTokenId', stsStatus: 403 };
const incomplete = { kms: 'IncompleteSignatureException', sts: 'IncompleteSignature', stsStatus: 400 };

const cases: readonly Case[] = [
  {
    situation: 'no Authorization header',
    request: () => ({ authorization: '' }),
    kms: 'MissingAuthenticationTokenException',
    sts: 'MissingAuthenticationToken',
    stsStatus: 403,
  },
  { situation: 'another scheme', request: () => ({ authorization: 'Bearer abc' }), ...incomplete },
  {
    situation: 'an Authorization header without a signature',
    request: (aws) => ({ authorization: `AWS4-HMAC-SHA256 Credential=${aws.platform.accessKeyId}/20260101` }),
    ...incomplete,
  },
  { situation: 'a time in another format', request: () => ({ headers: { 'x-amz-date': 'today' } }), ...signature },
  {
    situation: 'an unknown access key',
    request: (aws) => ({ credentials: { ...aws.platform, accessKeyId: 'AKIAUNKNOWNUNKNOWN22' } }),
    ...unknown,
  },
  {
    situation: 'a session token on a long-lived key',
    request: (aws) => ({ credentials: { ...aws.platform, sessionToken: 'invented' } }),
    ...unknown,
  },
  {
    situation: 'a wrong secret',
    request: (aws) => ({ credentials: { ...aws.platform, secretAccessKey: 'wrong' } }),
    ...signature,
  },
  {
    situation: 'a body changed after signing',
    request: () => ({ sentBody: 'Action=GetCallerIdentity&Version=2011-06-15&Changed=1' }),
    ...signature,
  },
  { situation: 'the host unsigned', request: () => ({ unsigned: ['host'] }), ...signature },
  { situation: 'an x-amz header unsigned', request: () => ({ unsigned: ['x-amz-date'] }), ...signature },
  { situation: 'the scope of another service', request: () => ({ scopeService: 's3' }), ...signature },
  { situation: 'no region in the scope', request: () => ({ region: 'nowhere' }), ...signature },
  { situation: 'the scope of another day', request: () => ({ scopeDate: '20200101' }), ...signature },
  {
    situation: 'a time six minutes ago',
    request: () => ({ at: Date.now() - 6 * minute }),
    ...signature,
  },
  {
    situation: 'a time in six minutes',
    request: () => ({ at: Date.now() + 6 * minute }),
    ...signature,
  },
];

describe('a signature', () => {
  it.each(cases)('with $situation is refused by both services with their own codes', async (row) => {
    await using aws = await startAwsSimulator();
    const kms = await rawCall(aws, { service: 'kms', ...row.request(aws) });
    const sts = await rawCall(aws, { service: 'sts', ...row.request(aws) });
    expect([kms.code, kms.status]).toEqual([row.kms, 400]);
    expect([sts.code, sts.status]).toEqual([row.sts, row.stsStatus]);
    expect(aws.calls.map((call) => [call.outcome, call.principalArn])).toEqual([
      [row.kms, undefined],
      [row.sts, undefined],
    ]);
  });

  it('that is right, up to five minutes early or late, is accepted', async () => {
    await using aws = await startAwsSimulator();
    for (const at of [Date.now() - 4.9 * minute, Date.now(), Date.now() + 4.9 * minute]) {
      expect((await rawCall(aws, { service: 'sts', at })).status).toBe(200);
      expect((await rawCall(aws, { service: 'kms', at })).code).toBe('NotFoundException');
    }
  });

  it('is judged by the clock that the simulator was given, which its Date header tells', async () => {
    const clock = movableClock(Date.UTC(2030, 0, 1));
    await using aws = await startAwsSimulator({ clock });
    const now = await rawCall(aws, { service: 'sts' });
    const then = await rawCall(aws, { service: 'sts', at: clock.now() });
    expect(now.text).toContain('Signature expired');
    expect(now.headers.get('date')).toBe('Tue, 01 Jan 2030 00:00:00 GMT');
    expect(then.status).toBe(200);
  });

  it('of a session without its token, or with another, is refused as of an unknown client', async () => {
    await using aws = await startAwsSimulator();
    const session = await sessionOf(aws);
    const { sessionToken: _token, ...bare } = session;
    expect((await rawCall(aws, { credentials: session })).code).toBe('NotFoundException');
    expect((await rawCall(aws, { credentials: bare })).code).toBe('UnrecognizedClientException');
    const mixed = { ...session, sessionToken: (await sessionOf(aws, 'another')).sessionToken };
    expect((await rawCall(aws, { credentials: mixed })).code).toBe('UnrecognizedClientException');
    expect((await rawCall(aws, { service: 'sts', credentials: bare })).code).toBe('InvalidClientTokenId');
  });

  it('of a session ends with the second that its expiry told', async () => {
    const clock = movableClock(Math.floor(Date.now() / 1000) * 1000);
    await using aws = await startAwsSimulator({ clock });
    const session = await sessionOf(aws);
    clock.advance(900_000 - 1);
    expect((await rawCall(aws, { credentials: session, at: clock.now() })).code).toBe('NotFoundException');
    clock.advance(1);
    const kms = await rawCall(aws, { credentials: session, at: clock.now() });
    const sts = await rawCall(aws, { service: 'sts', credentials: session, at: clock.now() });
    expect([kms.code, kms.status]).toEqual(['ExpiredTokenException', 400]);
    expect([sts.code, sts.status]).toEqual(['ExpiredToken', 403]);
  });

  it('of a session is expired at once when the test says so, and users keep theirs', async () => {
    await using aws = await startAwsSimulator();
    const session = await sessionOf(aws);
    aws.expireSessions();
    expect((await rawCall(aws, { credentials: session })).code).toBe('ExpiredTokenException');
    expect((await rawCall(aws)).code).toBe('NotFoundException');
  });
});

async function sessionOf(aws: AwsSimulator, name = 'signed') {
  const role = aws.createRole({ name, trust: aws.trustFor({ principal: aws.platform.arn }) });
  const { accessKeyId, secretAccessKey, sessionToken = '' } = await assumed(aws, { role, seconds: 900 })();
  return { accessKeyId, secretAccessKey, sessionToken };
}
