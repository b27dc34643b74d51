/**
 * Whatever comes back in the place of a key service's answer, a call ends in time with an answer or with a sorted fault:
 * never with a no, since garbage is nobody's no, and never with the garbage in what it says.
 */
import { describe, expect, it } from 'vitest';
import { openAwsKey } from '../../src/kms/aws/open.ts';
import { openAzureKey } from '../../src/kms/azure/open.ts';
import type { KeyService } from '../../src/kms/key-service.ts';
import { AwsWorld } from '../contract/aws-world.ts';
import { AzureWorld } from '../contract/azure-world.ts';
import { context, failureOf, never, warmed } from '../contract/calls.ts';
import { GcpWorld } from '../contract/gcp-world.ts';
import { VaultWorld } from '../contract/vault-world.ts';
import { mutateBytes } from '../fuzz/engine/bytes.ts';
import { Dice } from '../fuzz/engine/dice.ts';
import { makeAuthority } from '../support/certificates.ts';
import { garble, marker } from './answers/garble.ts';
import { type GrpcAnswer, GrpcProxy } from './answers/grpc-proxy.ts';
import { HttpProxy } from './answers/http-proxy.ts';
import { type Endings, tries } from './answers/tries.ts';

const calls = 40;
const timeoutMs = 2_500;

/** Turns the garbage of a proxy on and off. */
function garbageOf(proxy: HttpProxy, dice: Dice) {
  return (isOn: boolean) => {
    proxy.change = isOn ? (answer) => garble(answer, dice) : undefined;
  };
}

/** A test in which nothing failed, or everything in one way, would have shown little. */
function expectVariety(endings: Endings): void {
  expect(Object.keys(endings).length).toBeGreaterThan(1);
  expect(endings['outage KEY_SERVICE_UNAVAILABLE']).toBeGreaterThan(calls / 10);
}

/** What an answer may cost before it is given up, in bytes: the providers' own bound, and what is under way. */
const mostRead = 8 * 1024 * 1024;

/** A key behind a proxy, and all that has to be disposed of with it. */
interface Behind extends AsyncDisposable {
  readonly proxy: HttpProxy;
  readonly service: KeyService;
}

async function behind(open: (stack: AsyncDisposableStack) => Promise<Omit<Behind, typeof Symbol.asyncDispose>>) {
  await using stack = new AsyncDisposableStack();
  const { proxy, service } = await open(stack);
  const all = stack.move();
  all.use(service);
  return { proxy, service, [Symbol.asyncDispose]: () => all.disposeAsync() };
}

const behindProxy: Readonly<Record<'AWS KMS' | 'Vault' | 'Azure Key Vault', () => Promise<Behind>>> = {
  'AWS KMS': () =>
    behind(async (stack) => {
      const world = stack.use(await AwsWorld.start());
      const proxy = stack.use(await HttpProxy.start({ to: world.aws.endpoint }));
      const { clock, credentials } = world;
      const { arn: keyArn, region } = world.aws.createKey();
      const config = { provider: 'aws_kms', keyArn, region, endpoint: proxy.origin } as const;
      return { proxy, service: openAwsKey(config, { clock, tenantId: 'acme', timeoutMs, credentials }) };
    }),
  Vault: () =>
    behind(async (stack) => {
      const world = stack.use(await VaultWorld.start());
      const proxy = stack.use(await HttpProxy.start({ to: world.vault.address }));
      const { config } = stack.use(await world.openKey());
      return { proxy, service: world.open({ ...config, address: proxy.origin }, { timeoutMs, tenantId: 'other' }) };
    }),
  'Azure Key Vault': () =>
    behind(async (stack) => {
      const world = stack.use(await AzureWorld.start());
      const authority = await makeAuthority();
      const secure = { ca: world.azure.ca, own: await authority.issue() };
      const proxy = stack.use(await HttpProxy.start({ to: world.azure.vaultUrl, secure }));
      const { owned } = stack.use(await world.openKey());
      const { clock, credentials } = world;
      const config = { provider: 'azure_kv', vaultUrl: proxy.origin, keyName: owned.name } as const;
      const runtime = { clock, timeoutMs, proofMs: 0, isTrusted: true, credentials, ca: authority.ca };
      return { proxy, service: openAzureKey({ ...config, ...world.secretIdentity() }, runtime) };
    }),
};

async function meetsGarbage(name: keyof typeof behindProxy): Promise<void> {
  await using key = await behindProxy[name]();
  const dice = new Dice(1);
  expectVariety(await tries({ service: key.service, garbage: garbageOf(key.proxy, dice) }, calls, dice));
}

async function meetsNoEnd(name: keyof typeof behindProxy): Promise<void> {
  await using key = await behindProxy[name]();
  const { proxy, service } = key;
  const entry = await warmed(service);
  proxy.change = (answer) => ({ ...answer, isEndless: true });
  const { fault } = await failureOf(service.unwrap({ entry, context, signal: never }));
  expect(fault).toMatchObject({ kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' });
  expect(proxy.sentWithoutEnd).toBeLessThan(mostRead);
}

describe('garbage in the place of an answer', () => {
  it('of AWS KMS is no no and no crash', () => meetsGarbage('AWS KMS'));
  it('of Vault is no no and no crash', () => meetsGarbage('Vault'));
  it('of Azure Key Vault is no no and no crash', () => meetsGarbage('Azure Key Vault'));

  it('of Cloud KMS is no no and no crash', async () => {
    await using world = await GcpWorld.start();
    await using proxy = await GrpcProxy.start(world.gcp.endpoint);
    await using service = world.open(world.createKey('SYMMETRIC'), { endpoint: proxy.origin, timeoutMs });
    const dice = new Dice(4);
    const garbage = (isOn: boolean) => {
      proxy.change = isOn ? (answer) => garbledGrpc(answer, dice) : undefined;
    };
    expectVariety(await tries({ service, garbage }, calls / 2, dice));
  });
});

describe('an answer without an end', () => {
  it('of AWS KMS is given up before it fills the memory', () => meetsNoEnd('AWS KMS'));
  it('of Vault is given up before it fills the memory', () => meetsNoEnd('Vault'));
  it('of Azure Key Vault is given up before it fills the memory', () => meetsNoEnd('Azure Key Vault'));
});

/** A message that was changed, cut or is another's, or trailers that say nothing that a service says. */
function garbledGrpc(honest: GrpcAnswer, dice: Dice): GrpcAnswer {
  if (dice.once(2)) return honest;
  const { headers, body, trailers } = honest;
  const framed = (message: Buffer) => {
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(message.length, 1);
    return Buffer.concat([prefix, message]);
  };
  const noise = Buffer.from(marker);
  switch (dice.below(9)) {
    case 0:
      return { ...honest, body: framed(mutateBytes(body.subarray(5), dice, noise)) };
    case 1:
      return { ...honest, body: mutateBytes(body, dice, noise) };
    case 2:
      return { ...honest, body: body.subarray(0, dice.below(body.length)) };
    case 3:
      return { ...honest, body: framed(Buffer.alloc(dice.once(8) ? 5_000_000 : dice.below(500), dice.below(256))) };
    case 4:
      return { ...honest, body: Buffer.concat([body, body]) };
    case 5:
      return {
        headers,
        body: Buffer.alloc(0),
        trailers: { 'grpc-status': dice.pick(['', '-1', '99', 'x', '0', '2']) },
      };
    case 6:
      return {
        ...honest,
        trailers: {
          ...trailers,
          'grpc-status': dice.pick(['1', '2', '13', '14', '15', '99']),
          'grpc-message': encodeURIComponent(marker),
        },
      };
    case 7:
      return {
        headers: { 'content-type': 'text/html' },
        status: dice.pick([200, 302, 400, 403, 404, 429, 500, 503]),
        body: noise,
        trailers,
      };
    default:
      return {
        ...honest,
        body: Buffer.alloc(0),
        trailers: { 'grpc-status': '13', 'grpc-status-details-bin': Buffer.from(marker).toString('base64') },
      };
  }
}
