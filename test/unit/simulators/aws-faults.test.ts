/** Faults on demand as a client sees them, which calls they meet, and the request quota. */
import { connect } from 'node:net';
import { DescribeKeyCommand, GenerateDataKeyCommand, type KMSClient } from '@aws-sdk/client-kms';
import { describe, expect, it } from 'vitest';
import { assumed, kmsClient, movableClock, rawCall, refusal } from '../../simulators/aws/clients.ts';
import { startAwsSimulator } from '../../simulators/aws/server.ts';
import type { Fault } from '../../simulators/http/fault.ts';

const spec = { KeySpec: 'AES_256' } as const;

/** How a call with a deadline of 150 ms ends. */
async function within(client: KMSClient, KeyId: string): Promise<string> {
  const call = client.send(new GenerateDataKeyCommand({ KeyId, ...spec }), { abortSignal: AbortSignal.timeout(150) });
  return call.then(
    () => 'ok',
    (error: Error) => error.name,
  );
}

describe('a fault', () => {
  it.each<[Fault, string, string]>([
    [{ kind: 'error', code: 'KMSInternalException', status: 500 }, 'KMSInternalException', 'KMSInternalException'],
    [
      { kind: 'error', code: 'InventedException', status: 418, message: 'no' },
      'InventedException',
      'InventedException',
    ],
    [{ kind: 'throttle' }, 'ThrottlingException', 'ThrottlingException'],
    // The SDK gives every reset connection this name.
    [{ kind: 'reset' }, 'TimeoutError', 'fault:reset'],
    [{ kind: 'hang' }, 'AbortError', 'fault:hang'],
    [{ kind: 'half-open' }, 'AbortError', 'ok'],
    [{ kind: 'truncate' }, 'Error', 'ok'],
    [{ kind: 'trickle', msPerByte: 50 }, 'AbortError', 'ok'],
    [{ kind: 'latency', ms: 1 }, 'ok', 'ok'],
  ])('$kind reaches the client once and then no more', async (fault, seen, recorded) => {
    await using aws = await startAwsSimulator();
    const { arn } = aws.createKey();
    aws.faults.add({ operation: 'GenerateDataKey', times: 1, fault });
    const client = kmsClient(aws);
    expect(await within(client, arn)).toBe(seen);
    expect(await within(client, arn)).toBe('ok');
    expect(aws.calls.map((call) => call.outcome)).toEqual([recorded, 'ok']);
    client.destroy();
  });

  it('html is a page with its status, on both services', async () => {
    await using aws = await startAwsSimulator();
    aws.faults.add({ fault: { kind: 'html', status: 502 } });
    for (const service of ['kms', 'sts'] as const) {
      const answer = await rawCall(aws, { service });
      expect([answer.status, answer.headers.get('content-type')]).toEqual([502, 'text/html']);
      expect(answer.text).toMatch(/^<html>/);
    }
  });

  it('latency delays the answer and nothing else', async () => {
    await using aws = await startAwsSimulator();
    const { arn } = aws.createKey();
    aws.faults.add({ fault: { kind: 'latency', ms: 60 } });
    const started = performance.now();
    await kmsClient(aws).send(new GenerateDataKeyCommand({ KeyId: arn, ...spec }));
    expect(performance.now() - started).toBeGreaterThanOrEqual(55);
  });

  it('throttle tells how long to wait when asked to, and speaks XML on STS', async () => {
    await using aws = await startAwsSimulator();
    aws.faults.add({ fault: { kind: 'throttle', retryAfterSeconds: 3 } });
    const kms = await rawCall(aws);
    const sts = await rawCall(aws, { service: 'sts' });
    expect([kms.code, kms.status, kms.headers.get('retry-after')]).toEqual(['ThrottlingException', 400, '3']);
    expect([sts.code, sts.status, sts.headers.get('retry-after')]).toEqual(['Throttling', 400, '3']);
  });

  it('for one key meets that key alone, however it is named, until it is taken away', async () => {
    await using aws = await startAwsSimulator();
    const [one, other] = [aws.createKey(), aws.createKey()];
    one.setAlias('alias/one');
    const rule = aws.faults.add({
      keyArn: one.arn,
      fault: { kind: 'error', code: 'DependencyTimeoutException', status: 503 },
    });
    const client = kmsClient(aws);
    expect(await within(client, one.arn)).toBe('DependencyTimeoutException');
    expect(await within(client, 'alias/one')).toBe('DependencyTimeoutException');
    expect(await within(client, other.arn)).toBe('ok');
    rule.remove();
    expect(await within(client, one.arn)).toBe('ok');
  });

  it('for STS leaves KMS alone', async () => {
    await using aws = await startAwsSimulator();
    const role = aws.createRole({ name: 'r', trust: aws.trustFor({ principal: aws.platform.arn }) });
    aws.faults.add({ service: 'sts', fault: { kind: 'error', code: 'InternalFailure', status: 500 } });
    expect((await refusal(assumed(aws, { role })())).name).toBe('InternalFailure');
    expect(await within(kmsClient(aws), aws.createKey().arn)).toBe('ok');
  });

  it('that hangs does not keep the simulator from closing', async () => {
    const aws = await startAwsSimulator();
    aws.faults.add({ fault: { kind: 'hang' } });
    const call = rawCall(aws).catch((error: Error) => error.name);
    while (aws.calls.length === 0) await new Promise((done) => setTimeout(done, 1));
    await aws[Symbol.asyncDispose]();
    expect(await call).toBe('TypeError');
    const refused = await new Promise((done) => {
      const port = Number(new URL(aws.endpoint).port);
      connect(port, '127.0.0.1').once('error', (error: NodeJS.ErrnoException) => done(error.code));
    });
    expect(refused).toBe('ECONNREFUSED');
  });
});

describe('the request quota', () => {
  it('throttles the account that asks, in each region for itself, and fills up with time', async () => {
    const clock = movableClock();
    await using aws = await startAwsSimulator({ clock });
    aws.setRateLimit(2);
    const stranger = aws.createUser({ name: 'other', accountId: '999988887777' });
    const ask = async (given: { region?: string; credentials?: typeof stranger } = {}) =>
      (await rawCall(aws, { ...given, at: clock.now() })).code;
    const answers = [await ask(), await ask(), await ask()];
    expect(answers).toEqual(['NotFoundException', 'NotFoundException', 'ThrottlingException']);
    expect(await ask({ region: 'eu-west-1' })).toBe('NotFoundException');
    expect(await ask({ credentials: stranger })).toBe('NotFoundException');
    clock.advance(500);
    expect([await ask(), await ask()]).toEqual(['NotFoundException', 'ThrottlingException']);
    aws.setRateLimit(undefined);
    expect(await ask()).toBe('NotFoundException');
  });

  it('is off unless set', async () => {
    await using aws = await startAwsSimulator();
    const { arn: KeyId } = aws.createKey();
    const client = kmsClient(aws);
    await Promise.all(Array.from({ length: 200 }, () => client.send(new DescribeKeyCommand({ KeyId }))));
    expect(aws.count('DescribeKey', { outcome: 'ok', keyArn: KeyId })).toBe(200);
  });
});
