/** The tables of Kubernetes' KMS v2 messages against the upstream proto, by an independent reader of both. */
import { resolve } from 'node:path';
import { loadSync, type MethodDefinition } from '@grpc/proto-loader';
import { describe, expect, test } from 'vitest';
import * as messages from '../../../src/rpc/kms-plugin-messages.ts';
import { kmsPluginMethods, kmsPluginService } from '../../../src/rpc/kms-plugin-service.ts';
import { bytesOf } from '../../../src/rpc/reply.ts';

const definition = loadSync('k8s.io/kms/apis/v2/api.proto', {
  includeDirs: [resolve(import.meta.dirname, '../../../proto')],
  defaults: true,
});
const upstream = definition[kmsPluginService] as unknown as Readonly<Record<string, MethodDefinition<object, object>>>;
const plugin = {
  status: async () => ({ healthz: 'ok', keyId: 'id' }),
  encrypt: async () => ({ ciphertext: Buffer.of(1), keyId: 'id', annotations: new Map() }),
  decrypt: async () => Buffer.of(2),
};

/** A message with all of its fields, in the form of proto-loader and in ours. */
const samples = {
  Status: {
    request: [messages.statusRequest, {}],
    response: [messages.statusResponse, { version: 'v2', healthz: 'ok', keyId: 'kp1.x.1' }],
  },
  Encrypt: {
    request: [messages.encryptRequest, { plaintext: Buffer.of(1, 2), uid: 'u' }],
    response: [
      messages.encryptResponse,
      {
        ciphertext: Buffer.of(3),
        keyId: 'k',
        annotations: { 'a.example.com': Buffer.of(4), 'b.example.com': Buffer.of(8) },
      },
    ],
  },
  Decrypt: {
    request: [
      messages.decryptRequest,
      { ciphertext: Buffer.of(5), uid: 'u', keyId: 'k', annotations: { 'a.example.com': Buffer.of(6) } },
    ],
    response: [messages.decryptResponse, { plaintext: Buffer.of(7) }],
  },
} as const;

test('the service has the methods of the proto, under its paths', () => {
  const ours = kmsPluginMethods(plugin).map(({ service, name }) => `/${service}/${name}`);
  expect(ours.sort()).toEqual(
    Object.values(upstream)
      .map(({ path }) => path)
      .sort(),
  );
});

describe.each(Object.entries(samples))('%s', (name, { request, response }) => {
  const method = upstream[name];
  const asOurs = (value: object) =>
    Object.fromEntries(
      Object.entries(value).map(([field, of]) => [
        field,
        field === 'annotations' ? new Map(Object.entries(of as object)) : of,
      ]),
    );

  test('its request is read as the proto has it', () => {
    const [table, value] = request;
    const bytes = method?.requestSerialize(value) ?? Buffer.of(0);
    expect(table.decode(bytes)).toEqual(asOurs(value));
  });

  test('its response is written as the proto has it', () => {
    const [table, value] = response;
    // Each table takes the values of its own shape.
    const bytes = bytesOf(table.reply(asOurs(value) as never));
    expect(method?.responseDeserialize(bytes)).toEqual(value);
  });
});

test('annotations with the same name twice are refused', () => {
  const one = messages.decryptRequest.encode({ annotations: new Map([['a.example.com', Buffer.of(1)]]) });
  expect(() => messages.decryptRequest.decode(Buffer.concat([one, one]))).toThrow(/not a valid message/);
});
