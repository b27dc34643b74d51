/** The services in process: their methods are called as a transport calls them, with bytes in and bytes out. */
import { getEventListeners } from 'node:events';
import { describe, expect, it } from 'vitest';
import { readDescriptors } from '../../../src/rpc/descriptors.ts';
import { Health, healthMethods } from '../../../src/rpc/health.ts';
import { keyproxyMethods, keyproxyService } from '../../../src/rpc/keyproxy-service.ts';
import type { Method } from '../../../src/rpc/method.ts';
import { reflectionMethods } from '../../../src/rpc/reflection.ts';
import { bytesOf, type Reply } from '../../../src/rpc/reply.ts';
import { caller, FakeEngine, rejection } from '../../support/fake-engine.ts';
import { FakeKeyService } from '../../support/fake-key-service.ts';
import { descriptorBytes, methodOf } from './proto-files.ts';

const { signal } = new AbortController();
const healthService = 'grpc.health.v1.Health';

function methodNamed(methods: readonly Method[], name: string): Method {
  const found = methods.find((method) => method.name === name);
  if (found === undefined) throw new Error(`there is no method ${name}`);
  return found;
}

/** Calls a unary method with a message of protobufjs and reads its answer. */
async function call<T = Record<string, unknown>>(
  methods: readonly Method[],
  name: string,
  request: object,
): Promise<T> {
  const method = methodNamed(methods, name);
  if (method.kind !== 'unary') throw new Error(`${name} is a stream`);
  const { requestSerialize, responseDeserialize } = methodOf(method.service, name);
  return responseDeserialize(bytesOf(await method.handle(caller, requestSerialize(request), signal))) as T;
}

function service(maxMessageBytes = 4 * 1024 * 1024) {
  const key = new FakeKeyService('cmk-a');
  const engine = new FakeEngine();
  const tenant = engine.serve('a', [key]);
  return { key, engine, tenant, methods: keyproxyMethods({ engine: engine.engine, maxMessageBytes }) };
}

interface Answer {
  readonly plaintext: Buffer;
  readonly wrappedDek: Buffer;
  readonly ciphertext: Buffer;
  readonly encryptionContext: Record<string, string>;
  readonly maxAgeSeconds: number;
  readonly needsRewrap: boolean;
  readonly key: object;
}

describe('keyproxy.v1.KeyProxy', () => {
  const encryptionContext = { purpose: 'orders' };
  const key = { provider: 'local', keyId: 'cmk-a', keyVersion: 'v1' };

  it('answers every verb in the messages of its file', async () => {
    const { methods } = service();
    const made = await call<Answer>(methods, 'GenerateDEK', { tenantId: 'a', encryptionContext });
    expect(made).toMatchObject({ key, maxAgeSeconds: 86_400 });
    const { wrappedDek } = made;
    const opened = await call<Answer>(methods, 'Unwrap', { tenantId: 'a', wrappedDek, encryptionContext });
    expect(opened).toEqual({ plaintext: made.plaintext, key, needsRewrap: false, maxAgeSeconds: 86_400 });

    const text = Buffer.from('text');
    const encrypted = await call<Answer>(methods, 'Encrypt', { tenantId: 'a', plaintext: text, encryptionContext });
    const rewrapped = await call<Answer>(methods, 'Rewrap', { tenantId: 'a', ciphertext: encrypted.ciphertext });
    for (const { ciphertext } of [encrypted, rewrapped]) {
      expect(await call(methods, 'Decrypt', { tenantId: 'a', ciphertext })).toEqual({
        plaintext: text,
        encryptionContext: { ...encryptionContext, tenant_id: 'a' },
        key,
        needsRewrap: false,
      });
    }
  });

  it('describes a tenant, with the times of its last contact', async () => {
    const { methods, tenant } = service();
    tenant.contact.lastSuccess = 1_700_000_000_123;
    await call(methods, 'Encrypt', { tenantId: 'a' });
    expect(await call(methods, 'DescribeTenant', { tenantId: 'a' })).toEqual({
      tenantId: 'a',
      state: 1,
      reason: '',
      key: { provider: 'local', keyId: 'cmk-a', keyVersion: '' },
      replicas: [],
      cacheEntries: 2,
      cacheHits: 0,
      cacheMisses: 1,
      lastSuccess: { seconds: 1_700_000_000, nanos: 123_000_000 },
      lastRefusal: null,
    });
  });

  it('wipes the plaintext of a DEK once it is written', async () => {
    const { engine, key: fake, methods } = service();
    await call(methods, 'GenerateDEK', { tenantId: 'a', source: 2 });
    engine.cache[Symbol.dispose]();
    expect(fake.handedOut.map(({ length }) => length)).toEqual([0]);
  });

  it('has no method that goes without the mark of a call over TCP', () => {
    expect(service().methods.map(({ exempt, service: name }) => [exempt, name])).toEqual(
      Array(6).fill([false, keyproxyService]),
    );
  });

  it('refuses a request over the limit before it is read, and names the limit', async () => {
    const { key: fake, methods } = service(100);
    const failure = await rejection(call(methods, 'Encrypt', { tenantId: 'a', plaintext: Buffer.alloc(100) }));
    expect(failure).toMatchObject({
      reason: 'MESSAGE_TOO_LARGE',
      metadata: { limit: 'max_message_bytes', limit_value: '100', size: '105' },
    });
    expect(failure.message).toContain('limits.max_message_bytes is 100');
    expect(fake.callCount).toBe(0);
  });

  it('refuses to encrypt what could not be handed in again for decryption', async () => {
    const { methods } = service(100);
    const failure = await rejection(call(methods, 'Encrypt', { tenantId: 'a', plaintext: Buffer.alloc(95) }));
    expect(failure).toMatchObject({ reason: 'MESSAGE_TOO_LARGE', metadata: { limit_value: '100' } });
    expect(failure.message).toMatch(/the request to decrypt it has \d+ bytes/);
  });

  it('refuses bytes that are no message with a status', async () => {
    const { methods } = service();
    for (const method of methods) {
      if (method.kind !== 'unary') throw new Error('a stream');
      const failure = await rejection(method.handle(caller, Buffer.from('0aff', 'hex'), signal));
      expect(failure.reason).toBe('REQUEST_MALFORMED');
    }
  });
});

describe('grpc.health.v1.Health', () => {
  function world() {
    const health = new Health([keyproxyService]);
    return { health, methods: healthMethods(health) };
  }

  it.each(['', keyproxyService])('Check tells for the service %j whether calls are welcome', async (name) => {
    const { health, methods } = world();
    expect(await call(methods, 'Check', { service: name })).toEqual({ status: 2 });
    health.serving = true;
    expect(await call(methods, 'Check', { service: name })).toEqual({ status: 1 });
  });

  it('Check knows no other service', async () => {
    const { methods } = world();
    const failure = await rejection(call(methods, 'Check', { service: 'keyproxy.v1.Other' }));
    expect(failure.reason).toBe('SERVICE_UNKNOWN');
  });

  function watch(methods: readonly Method[], name: string, until: AbortSignal): AsyncIterator<Reply> {
    const method = methodNamed(methods, 'Watch');
    if (method.kind !== 'server_stream') throw new Error('Watch is no stream');
    const { requestSerialize } = methodOf(healthService, 'Watch');
    return method.handle(caller, requestSerialize({ service: name }), until)[Symbol.asyncIterator]();
  }

  it('Watch tells each change once, and ends with its signal without leaving a listener behind', async () => {
    const { health, methods } = world();
    const controller = new AbortController();
    const statuses = watch(methods, '', controller.signal);
    const next = async () => {
      const { value, done } = await statuses.next();
      return done ? 'end' : methodOf(healthService, 'Watch').responseDeserialize(bytesOf(value));
    };
    expect(await next()).toEqual({ status: 2 });
    const changed = next();
    health.serving = true;
    health.serving = true;
    expect(await changed).toEqual({ status: 1 });
    const last = next();
    controller.abort();
    expect(await last).toBe('end');
    expect(getEventListeners(controller.signal, 'abort')).toHaveLength(0);
  });

  it('Watch tells that a service is unknown, and waits', async () => {
    const { methods } = world();
    const statuses = watch(methods, 'other', signal);
    const { value } = await statuses.next();
    expect(methodOf(healthService, 'Watch').responseDeserialize(bytesOf(value))).toEqual({ status: 3 });
  });

  it('may be asked without the mark of a call over TCP', () => {
    expect(world().methods.every(({ exempt }) => exempt)).toBe(true);
  });
});

describe.each(['v1', 'v1alpha'])('grpc.reflection.%s', (version) => {
  const name = `grpc.reflection.${version}.ServerReflection`;

  async function ask(...questions: object[]): Promise<Record<string, unknown>[]> {
    const methods = reflectionMethods(async () => readDescriptors(descriptorBytes));
    const method = methods.find(({ service: each }) => each === name);
    if (method === undefined) throw new Error('there is no such version');
    const { requestSerialize, responseDeserialize } = methodOf(name, 'ServerReflectionInfo');
    async function* requests() {
      for (const question of questions) yield requestSerialize(question);
    }
    const answers: Record<string, unknown>[] = [];
    for await (const answer of method.handle(caller, requests(), signal)) {
      answers.push(responseDeserialize(bytesOf(answer)) as Record<string, unknown>);
    }
    return answers;
  }

  it('lists every service', async () => {
    const [answer] = await ask({ listServices: '' });
    expect(answer?.['listServicesResponse']).toEqual({
      service: [
        { name: 'keyproxy.v1.KeyProxy' },
        { name: 'grpc.health.v1.Health' },
        { name: 'grpc.reflection.v1.ServerReflection' },
        { name: 'grpc.reflection.v1alpha.ServerReflection' },
      ],
    });
  });

  it.each<[object, number]>([
    [{ fileByFilename: 'keyproxy/v1/keyproxy.proto' }, 2],
    [{ fileByFilename: 'google/protobuf/timestamp.proto' }, 1],
    [{ fileContainingSymbol: 'keyproxy.v1.KeyProxy' }, 2],
    [{ fileContainingSymbol: 'keyproxy.v1.KeyProxy.Encrypt' }, 2],
    [{ fileContainingSymbol: 'keyproxy.v1.DescribeTenantResponse.Replica' }, 2],
    [{ fileContainingSymbol: 'keyproxy.v1.TenantState' }, 2],
    [{ fileContainingSymbol: 'grpc.health.v1.Health' }, 1],
  ])('answers %j with its file and what that imports: %i', async (question, count) => {
    const [answer] = await ask(question);
    const files = answer?.['fileDescriptorResponse'] as { fileDescriptorProto: Buffer[] };
    expect(files.fileDescriptorProto).toHaveLength(count);
    for (const file of files.fileDescriptorProto) expect(descriptorBytes.includes(file)).toBe(true);
  });

  it.each<[object, number]>([
    [{ fileByFilename: 'no/such/file.proto' }, 5],
    [{ fileContainingSymbol: 'keyproxy.v1.NoSuchMessage' }, 5],
    [{ fileContainingSymbol: '' }, 5],
    [{ allExtensionNumbersOfType: 'keyproxy.v1.KeyInfo' }, 12],
    [{ fileContainingExtension: { containingType: 'x', extensionNumber: 1 } }, 12],
  ])('answers %j with the code %i and goes on', async (question, errorCode) => {
    const [failed, next] = await ask({ host: 'h', ...question }, { listServices: '' });
    expect(failed).toMatchObject({ validHost: 'h', errorResponse: { errorCode } });
    expect(next?.['listServicesResponse']).toBeDefined();
  });
});
