/** What the installed AWS SDK does with credentials: the reason why it is handed them anew for each request. */
import { KMSClient, ListAliasesCommand } from '@aws-sdk/client-kms';
import { describe, expect, it } from 'vitest';
import { forEachRequest } from '../../src/kms/aws/connection.ts';
import type { AwsIdentity } from '../../src/kms/aws/identity.ts';
import { startAwsSimulator } from '../simulators/aws/server.ts';

/** Sends `requests` one after the other with credentials of `leftMs` that can be got once only. */
async function send(requests: number, leftMs: number, wrap: (get: () => AwsIdentity) => () => Promise<AwsIdentity>) {
  await using aws = await startAwsSimulator();
  let asked = 0;
  const expiration = new Date(Date.now() + leftMs);
  const provider = wrap(() => {
    asked++;
    return { ...aws.platform, expiration };
  });
  const client = new KMSClient({ region: 'us-east-1', endpoint: aws.endpoint, maxAttempts: 1, credentials: provider });
  for (let i = 0; i < requests; i++) {
    // What is asked does not matter, only that the request is signed and arrives.
    await client.send(new ListAliasesCommand({})).catch(() => undefined);
  }
  client.destroy();
  return { asked, arrived: aws.calls.length };
}

const asTheyAre = (get: () => AwsIdentity) => async () => get();

describe('the AWS SDK', () => {
  it('asks once for credentials that are good for more than 300 s, and would miss their renewal', async () => {
    expect(await send(5, 900_000, asTheyAre)).toEqual({ asked: 1, arrived: 5 });
  });

  it('renews valid credentials in their last 300 s, and sends nothing where that fails', async () => {
    let first = true;
    const once = (get: () => AwsIdentity) => async () => {
      if (!first) throw new Error('no answer');
      first = false;
      return get();
    };
    const { arrived } = await send(5, 200_000, once);
    expect(arrived).toBeLessThanOrEqual(1);
  });

  it('asks before each request anew, about twice, for what is told to end at once', async () => {
    const { asked, arrived } = await send(5, 200_000, forEachRequest);
    expect(arrived).toBe(5);
    expect(asked).toBeGreaterThanOrEqual(5);
    expect(asked).toBeLessThanOrEqual(11);
  });
});
