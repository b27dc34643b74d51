import { createServer, type RequestListener, type Server } from 'node:http';
import { KeyClient } from '@azure/keyvault-keys';
import { afterEach, describe, expect, it } from 'vitest';
import { Exchange } from '../../../../src/kms/azure/exchange.ts';
import { AzureWire } from '../../../../src/kms/azure/wire.ts';

const never = new AbortController().signal;
type Request = Parameters<AzureWire['sendRequest']>[0];

const servers: Server[] = [];
afterEach(async () => {
  await Promise.all(
    servers.splice(0).map(async (server) => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    }),
  );
});

async function serving(listener: RequestListener): Promise<string> {
  const server = createServer(listener);
  servers.push(server);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  return `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}/`;
}

/** A request as the libraries make one, caught on its way out of one of them. */
async function requestTo(url: string, changes: Partial<Request> = {}): Promise<Request> {
  let caught: Request | undefined;
  const httpClient = {
    sendRequest(request: Request) {
      caught = request;
      return Promise.reject(new Error('caught'));
    },
  };
  const client = new KeyClient(
    'https://vault.example',
    { getToken: async () => null },
    { httpClient, retryOptions: { maxRetries: 0 } },
  );
  await client.getKey('orders').catch(() => undefined);
  if (caught === undefined) throw new Error('the library sent nothing');
  return Object.assign(caught, { url, allowInsecureConnection: true, ...changes });
}

describe('the wire under the Azure libraries', () => {
  it('says who calls, and nothing of the machine', async () => {
    let agent: string | undefined;
    const url = await serving((request, response) => {
      agent = request.headers['user-agent'];
      response.end('{}');
    });
    using wire = new AzureWire();
    await wire.sendRequest(await requestTo(url));
    expect(agent).toBe('keyproxy');
  });

  it('ends an answer that is larger than any honest one', async () => {
    const url = await serving((_, response) => {
      response.on('error', () => undefined);
      response.end(Buffer.alloc(2 << 20, 0x20));
    });
    using wire = new AzureWire();
    const exchange = new Exchange(never);
    await expect(exchange.run(async () => wire.sendRequest(await requestTo(url)))).rejects.toMatchObject({
      code: 'ANSWER_TOO_LARGE',
    });
    expect(exchange.outcome).toEqual({ kind: 'silence', code: 'ANSWER_TOO_LARGE' });
  });

  it('sends nothing in the clear unless it is allowed to', async () => {
    let asked = 0;
    const url = await serving((_, response) => {
      asked++;
      response.end('{}');
    });
    using wire = new AzureWire();
    const request = await requestTo(url, { allowInsecureConnection: false });
    await expect(wire.sendRequest(request)).rejects.toMatchObject({ code: 'INSECURE' });
    expect(asked).toBe(0);
  });

  it('notes code and request id of an answer, for the call that it belongs to alone', async () => {
    const url = await serving((request, response) => {
      response.writeHead(403, { 'x-ms-request-id': request.url?.slice(1), 'retry-after': '3' });
      response.end('{"error":{"code":"Forbidden"}}');
    });
    using wire = new AzureWire();
    const calls = await Promise.all(
      ['a', 'b', 'c'].map(async (name) => {
        const exchange = new Exchange(never);
        const request = await requestTo(`${url}${name}`);
        await exchange.run(() => wire.sendRequest(request));
        return exchange.outcome;
      }),
    );
    expect(calls).toEqual(
      ['a', 'b', 'c'].map((requestId) => ({
        kind: 'answer',
        status: 403,
        authorized: false,
        challenges: false,
        error: { error: { code: 'Forbidden' } },
        requestId,
        retryAfter: '3',
      })),
    );
  });

  it('ends with the signal of the call, while the answer is still coming', async () => {
    const url = await serving((_, response) => {
      response.writeHead(200, { 'content-length': '100' });
      response.write('{');
    });
    using wire = new AzureWire();
    const request = await requestTo(url);
    const exchange = new Exchange(AbortSignal.timeout(50));
    await expect(exchange.run(() => wire.sendRequest(request))).rejects.toThrow();
    expect(exchange.outcome.kind).toBe('silence');
  });
});
