/** grpc-go, through grpcurl: it knows nothing of keyproxy but what reflection tells it. */
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Daemon, startDaemon } from '../support/daemon.ts';
import { folderOf } from './ready.ts';
import { type Ended, run } from './run.ts';

const folder = folderOf('grpcurl');
const plaintext = Buffer.from('{"order":17}').toString('base64');
const request = { tenant_id: 'demo', encryption_context: { purpose: 'orders' } };
const marked = ['-H', 'keyproxy-request: true'];

/** The details of a refused call, which grpcurl reads because reflection offers google.rpc.ErrorInfo. */
function errorInfoIn(stderr: string): unknown {
  const details = stderr.slice(stderr.indexOf('{'), stderr.lastIndexOf('}') + 1);
  return JSON.parse(details);
}

describe.skipIf(folder === undefined)('grpcurl', () => {
  let daemon: Daemon;
  beforeAll(async () => {
    daemon = await startDaemon();
  });
  afterAll(() => daemon[Symbol.asyncDispose]());

  const wires = [
    { wire: 'TCP', place: () => [daemon.tcp] },
    { wire: 'the Unix socket', place: () => ['-unix', daemon.socket.slice('unix:'.length)] },
  ];

  describe.each(wires)('over $wire', ({ wire, place }) => {
    function grpcurl(flags: readonly string[], ...what: string[]): Promise<Ended> {
      return run(join(folder ?? '', 'grpcurl'), ['-plaintext', '-max-time', '20', ...flags, ...place(), ...what]);
    }

    /** Calls a method of the service and returns its answer. */
    async function answer(method: string, message: object): Promise<Record<string, unknown>> {
      const flags = [...marked, '-d', JSON.stringify(message)];
      const { code, stdout, stderr } = await grpcurl(flags, `keyproxy.v1.KeyProxy/${method}`);
      expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
      return JSON.parse(stdout);
    }

    it('lists every service', async () => {
      const { code, stdout } = await grpcurl([], 'list');
      expect(code).toBe(0);
      expect(stdout.trim().split('\n').sort()).toEqual([
        'grpc.health.v1.Health',
        'grpc.reflection.v1.ServerReflection',
        'grpc.reflection.v1alpha.ServerReflection',
        'keyproxy.v1.KeyProxy',
      ]);
    });

    it.each([
      ['keyproxy.v1.KeyProxy', 'rpc GenerateDEK ( .keyproxy.v1.GenerateDEKRequest )'],
      ['keyproxy.v1.EncryptRequest', 'map<string, string> encryption_context = 3;'],
      ['keyproxy.v1.DescribeTenantResponse.Replica', '.keyproxy.v1.TenantState state = 2;'],
      ['keyproxy.v1.DekSource', 'DEK_SOURCE_KMS = 2;'],
      ['keyproxy.v1.KeyProxy.Unwrap', 'rpc Unwrap ( .keyproxy.v1.UnwrapRequest )'],
      ['google.protobuf.Timestamp', 'int64 seconds = 1;'],
    ])('describes %s', async (symbol, line) => {
      const { code, stdout } = await grpcurl([], 'describe', symbol);
      expect(code).toBe(0);
      expect(stdout).toContain(line);
    });

    it('is told that there is no symbol of a name', async () => {
      const { code, stderr } = await grpcurl([], 'describe', 'keyproxy.v1.Nothing');
      expect(code).not.toBe(0);
      expect(stderr).toContain('not found');
    });

    it.each(['', 'keyproxy.v1.KeyProxy'])('finds the health of "%s" to be good, with no metadata', async (service) => {
      const { code, stdout } = await grpcurl(['-d', JSON.stringify({ service })], 'grpc.health.v1.Health/Check');
      expect(code).toBe(0);
      expect(JSON.parse(stdout)).toEqual({ status: 'SERVING' });
    });

    it('encrypts and decrypts', async () => {
      const { ciphertext, key } = await answer('Encrypt', { ...request, plaintext });
      expect(key).toMatchObject({ provider: 'local' });
      expect(await answer('Decrypt', { ...request, ciphertext })).toMatchObject({
        plaintext,
        encryptionContext: { purpose: 'orders', tenant_id: 'demo' },
      });
    });

    it('generates and unwraps', async () => {
      const made = await answer('GenerateDEK', { ...request, source: 'DEK_SOURCE_KMS', number_of_bytes: 64 });
      expect(Buffer.from(String(made['plaintext']), 'base64')).toHaveLength(64);
      const unwrapped = await answer('Unwrap', { ...request, wrapped_dek: made['wrappedDek'] });
      expect(unwrapped['plaintext']).toBe(made['plaintext']);
    });

    it('shows the ErrorInfo of a refused call', async () => {
      const flags = [...marked, '-d', JSON.stringify({ ...request, tenant_id: 'nobody' })];
      const { code, stderr } = await grpcurl(flags, 'keyproxy.v1.KeyProxy/Encrypt');
      expect(code).not.toBe(0);
      expect(stderr).toContain('Code: NotFound');
      expect(errorInfoIn(stderr)).toMatchObject({ reason: 'TENANT_UNKNOWN', domain: 'keyproxy' });
    });

    it.runIf(wire === 'TCP')('is refused without the metadata', async () => {
      const flags = ['-d', JSON.stringify({ ...request, plaintext })];
      const { code, stderr } = await grpcurl(flags, 'keyproxy.v1.KeyProxy/Encrypt');
      expect(code).not.toBe(0);
      expect(errorInfoIn(stderr)).toMatchObject({ reason: 'REQUEST_UNMARKED', domain: 'keyproxy' });
    });
  });
});
