/** What a caller is told when the customer's key service says no, or says nothing: never the provider's own words. */
import { status } from '@grpc/grpc-js';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { SimulatedRole } from '../simulators/aws/principals.ts';
import { type AwsSimulator, startAwsSimulator } from '../simulators/aws/server.ts';
import type { SimulatedKey } from '../simulators/aws/simulated-key.ts';
import { type AwsTenantOptions, awsFolder, customerRole, startAwsDaemon } from '../support/aws-tenant.ts';
import { connect, type KeyProxyClient } from '../support/client.ts';
import { type ErrorTold, toldBy } from '../support/client-errors.ts';
import type { Daemon } from '../support/daemon.ts';
import type { DaemonFolder } from '../support/daemon-folder.ts';

const externalId = 'keyproxy-right';
const providerText = 'words of the provider that nobody may see';
const stranger = 'arn:aws:iam::999999999999:root';

interface Case {
  readonly id: string;
  /** What the customer, or the network, does. */
  readonly act: (key: SimulatedKey, role: SimulatedRole) => void;
  readonly code: status;
  readonly reason: string;
  /** What stands in the metadata, a request id too where the provider gave an answer; undefined for silence. */
  readonly providerCode: string | RegExp | undefined;
  readonly answered: boolean;
  readonly retry: boolean;
  readonly behindRole?: { readonly told: string };
}

function refusal(id: string, reason: string, providerCode: string, rest: Pick<Case, 'act' | 'code' | 'behindRole'>) {
  return { id, reason, providerCode, answered: true, retry: false, ...rest };
}

function outage(id: string, providerCode: Case['providerCode'], answered: boolean, act: Case['act']): Case {
  const throttled = id === 'throttled';
  return {
    ...{ id, act, providerCode, answered, retry: true },
    code: throttled ? status.RESOURCE_EXHAUSTED : status.UNAVAILABLE,
    reason: throttled ? 'KEY_SERVICE_THROTTLED' : 'KEY_SERVICE_UNAVAILABLE',
  };
}

const fault = (key: SimulatedKey, made: Parameters<AwsSimulator['faults']['add']>[0]['fault']) => {
  aws.faults.add({ service: 'kms', keyArn: key.arn, fault: made });
};
const nobody = {
  Version: '2012-10-17',
  Statement: [{ Effect: 'Allow', Principal: { AWS: stranger }, Action: 'kms:*', Resource: '*' }],
};

const cases: readonly Case[] = [
  refusal('disabled', 'KEY_DISABLED', 'DisabledException', {
    act: (key) => key.disable(),
    code: status.FAILED_PRECONDITION,
  }),
  refusal('pending-deletion', 'KEY_PENDING_DELETION', 'KMSInvalidStateException', {
    act: (key) => key.scheduleDeletion(),
    code: status.FAILED_PRECONDITION,
  }),
  refusal('access-denied', 'KEY_ACCESS_DENIED', 'AccessDeniedException', {
    act: (key) => key.setPolicy(nobody),
    code: status.PERMISSION_DENIED,
  }),
  refusal('access-denied-aloud', 'KEY_ACCESS_DENIED', 'AccessDeniedException', {
    act: (key) => fault(key, { kind: 'error', code: 'AccessDeniedException', status: 400, message: providerText }),
    code: status.PERMISSION_DENIED,
  }),
  refusal('gone', 'KEY_NOT_FOUND', 'NotFoundException', { act: (key) => key.remove(), code: status.NOT_FOUND }),
  refusal('role-denied', 'ROLE_DENIED', 'AccessDenied', {
    act: (_key, role) => role.setTrust(aws.trustFor({ principal: stranger })),
    code: status.PERMISSION_DENIED,
    behindRole: { told: externalId },
  }),
  refusal('role-gone', 'ROLE_DENIED', 'AccessDenied', {
    act: (_key, role) => role.remove(),
    code: status.PERMISSION_DENIED,
    behindRole: { told: externalId },
  }),
  refusal('wrong-external-id', 'ROLE_DENIED', 'AccessDenied', {
    act: () => {},
    code: status.PERMISSION_DENIED,
    behindRole: { told: 'keyproxy-wrong' },
  }),
  outage('reset', /^[A-Z][A-Za-z]+$/, false, (key) => fault(key, { kind: 'reset' })),
  outage('hanging', undefined, false, (key) => fault(key, { kind: 'hang' })),
  outage('throttled', 'ThrottlingException', true, (key) => fault(key, { kind: 'throttle' })),
  outage('a-page', /^HTTP 502$/, false, (key) => fault(key, { kind: 'html', status: 502 })),
  outage('internal', 'KMSInternalException', true, (key) =>
    fault(key, { kind: 'error', code: 'KMSInternalException', status: 500, message: providerText }),
  ),
];

let aws: AwsSimulator;
let folder: DaemonFolder;
let daemon: Daemon;
let client: KeyProxyClient;
const customers = new Map<string, { key: SimulatedKey; role: SimulatedRole }>();

beforeAll(async () => {
  aws = await startAwsSimulator();
  const tenants = ['well', ...cases.map(({ id }) => id)].map((id): AwsTenantOptions => {
    const customer = { key: aws.createKey(), role: customerRole(aws, id, externalId) };
    customers.set(id, customer);
    const told = cases.find((each) => each.id === id)?.behindRole?.told;
    return {
      id,
      keyArn: customer.key.arn,
      // Long enough for a busy machine, but for who waits for its end.
      more: `  limits: { kms_timeout_ms: ${id === 'hanging' ? 250 : 5_000} }`,
      ...(told !== undefined && { role: { arn: customer.role.arn, externalId: told } }),
    };
  });
  folder = await awsFolder(aws, tenants);
  daemon = await startAwsDaemon(aws, folder);
  client = connect(daemon.socket);
});
afterAll(async () => {
  client[Symbol.dispose]();
  await daemon[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
  await aws[Symbol.asyncDispose]();
});

function customerOf(id: string) {
  const customer = customers.get(id);
  if (customer === undefined) throw new Error(`there is no customer ${id}`);
  return customer;
}

function expectNoWordsOfTheProvider(told: ErrorTold): void {
  const all = [told.message, Buffer.from(told.details, 'hex').toString('latin1')].join(' ');
  for (const words of [providerText, 'arn:', 'not authorized', 'User:', 'Rate exceeded', '<html', aws.endpoint]) {
    expect(all).not.toContain(words);
  }
  for (const name of Object.keys(told.metadata)) {
    expect(['provider', 'provider_code', 'provider_request_id']).toContain(name);
  }
}

describe.concurrent('a caller is told, with the provider code and its request id,', () => {
  test.each(cases)('$reason when the key service is $id', async ({ id, act, ...due }) => {
    const { key, role } = customerOf(id);
    act(key, role);
    const plaintext = Buffer.from('x');
    const told = toldBy(await client.error('Encrypt', { tenant_id: id, plaintext }));
    expect(told).toMatchObject({ code: due.code, reason: due.reason, domain: 'keyproxy' });
    const { provider_code } = told.metadata;
    if (due.providerCode === undefined) expect(provider_code).toBeUndefined();
    else expect(provider_code).toMatch(due.providerCode);
    expect(told.metadata['provider']).toBe('aws_kms');
    const requestId = told.metadata['provider_request_id'];
    if (due.answered) expect(aws.calls.some((call) => call.requestId === requestId)).toBe(true);
    expect(told.retryAfterMs !== undefined).toBe(due.retry);
    expectNoWordsOfTheProvider(told);
    await client.call('Encrypt', { tenant_id: 'well', plaintext });
  });
});

test('nothing secret, and nothing that the provider said, reaches the log', async () => {
  const marker = 'plaintext-that-nobody-may-log';
  const request = { tenant_id: 'well', encryption_context: { purpose: 'secrets' } };
  const { ciphertext } = await client.call<{ ciphertext: Buffer }>('Encrypt', {
    ...request,
    plaintext: Buffer.from(marker),
  });
  const dek = await client.call<{ plaintext: Buffer; wrapped_dek: Buffer }>('GenerateDEK', request);
  await client.call('Unwrap', { ...request, wrapped_dek: dek.wrapped_dek });
  await client.error('Decrypt', { ...request, ciphertext: ciphertext.subarray(1) });
  const { key } = customerOf('access-denied-aloud');
  const denied = { tenant_id: 'access-denied-aloud', plaintext: Buffer.from(marker) };
  const loud = aws.faults.add({
    keyArn: key.arn,
    fault: { kind: 'error', code: 'AccessDeniedException', status: 400, message: providerText },
  });
  await client.error('Encrypt', denied);
  loud.remove();
  await expect.poll(() => daemon.output()).toContain('"provider_code":"AccessDeniedException"');
  const log = daemon.output();
  const secrets = [Buffer.from(marker), dek.plaintext, Buffer.from(aws.platform.secretAccessKey), ciphertext];
  for (const secret of secrets) {
    for (const form of ['utf8', 'hex', 'base64', 'base64url'] as const)
      expect(log).not.toContain(secret.toString(form));
  }
  expect(log).not.toContain(providerText);
  expect(log).not.toContain('IQoJb3JpZ2luX2Vj');
});

test('cached data keys go on through an outage, and service comes back by itself after it', async () => {
  const { key } = customerOf('well');
  const cached = { tenant_id: 'well', encryption_context: { purpose: 'cached' }, plaintext: Buffer.from('x') };
  await client.call('Encrypt', cached);
  const reset = aws.faults.add({ keyArn: key.arn, fault: { kind: 'reset' } });
  await client.call('Encrypt', cached);
  const fresh = { ...cached, encryption_context: { purpose: 'fresh' } };
  expect((await client.error('Encrypt', fresh)).code).toBe(status.UNAVAILABLE);
  reset.remove();
  await client.call('Encrypt', fresh);
});

test("the caller's deadline ends its own wait, and the call to the key service goes on for the others", async () => {
  const { key } = customerOf('well');
  const slow = aws.faults.add({ keyArn: key.arn, operation: 'GenerateDataKey', fault: { kind: 'latency', ms: 150 } });
  const request = { tenant_id: 'well', encryption_context: { purpose: 'deadline' }, plaintext: Buffer.from('x') };
  const calls = aws.count('GenerateDataKey', { keyArn: key.arn });
  const impatient = client.error('Encrypt', request, { deadline: Date.now() + 60 });
  const patient = client.call('Encrypt', request);
  expect((await impatient).code).toBe(status.DEADLINE_EXCEEDED);
  await patient;
  slow.remove();
  expect(aws.count('GenerateDataKey', { keyArn: key.arn }) - calls).toBe(1);
});
