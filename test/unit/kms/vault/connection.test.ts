import { createServer, type Server } from 'node:http';
import { describe, expect, it } from 'vitest';
import { Connection, NoAnswer } from '../../../../src/kms/vault/connection.ts';
import { TrustedAuthorities } from '../../../../src/kms/vault/trust.ts';

const never = new AbortController().signal;

async function serving(listener: Parameters<typeof createServer>[1]) {
  const server: Server = createServer(listener);
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : undefined;
  const connection = new Connection(`http://127.0.0.1:${port}`, new TrustedAuthorities(undefined));
  const dispose = async () => {
    connection[Symbol.dispose]();
    server.closeAllConnections();
    await new Promise((done) => server.close(done));
  };
  return { connection, [Symbol.asyncDispose]: dispose };
}

function post(connection: Connection, body: Buffer, signal = never) {
  return connection.send({ method: 'POST', path: '/v1/x', headers: {}, body, signal });
}

function noAnswerOf(call: Promise<unknown>): Promise<NoAnswer> {
  return call.then(
    () => Promise.reject(new Error('there was an answer')),
    (error) => (error instanceof NoAnswer ? error : Promise.reject(error)),
  );
}

describe('a connection', () => {
  it('sends a body whole, to a server that reads late too, and has wiped it after the answer', async () => {
    const received: Buffer[] = [];
    await using setting = await serving((request, response) => {
      const chunks: Buffer[] = [];
      setTimeout(() => {
        request.on('data', (chunk: Buffer) => chunks.push(chunk));
        request.on('end', () => {
          received.push(Buffer.concat(chunks));
          response.end('{}');
        });
      }, 30);
    });
    // More than the buffers of a loopback connection hold: the rest waits in the sender's memory.
    const body = Buffer.alloc(8_000_000, 0x61);
    const answer = await post(setting.connection, body);
    expect(answer.body.toString()).toBe('{}');
    expect(received[0]?.equals(Buffer.alloc(8_000_000, 0x61))).toBe(true);
    await expect.poll(() => body.every((byte) => byte === 0)).toBe(true);
  });

  it('wipes the body of a request that was given up, after or before it was sent', async () => {
    await using setting = await serving(() => {});
    for (const signal of [AbortSignal.timeout(30), AbortSignal.abort()]) {
      const body = Buffer.alloc(100, 0x61);
      const error = await noAnswerOf(post(setting.connection, body, signal));
      expect(error.mayHaveArrived).toBe(signal.reason.name === 'TimeoutError');
      await expect.poll(() => body.every((byte) => byte === 0)).toBe(true);
    }
  });

  it('is used again by the next request, and not by one that wants to be alone', async () => {
    const ports = new Set<number | undefined>();
    await using setting = await serving((request, response) => {
      ports.add(request.socket.remotePort);
      request.resume();
      response.end('{}');
    });
    for (let call = 0; call < 3; call++) await post(setting.connection, Buffer.from('{}'));
    expect(ports.size).toBe(1);
    const alone = { method: 'GET', path: '/v1/x', headers: {}, isAlone: true, signal: never } as const;
    await setting.connection.send(alone);
    expect(ports.size).toBe(2);
  });

  it('leaves nothing behind on a connection that many requests use', async () => {
    const warnings: string[] = [];
    const warned = ({ name }: Error) => warnings.push(name);
    process.on('warning', warned);
    await using setting = await serving((request, response) => {
      request.resume();
      response.end('{}');
    });
    for (let call = 0; call < 20; call++) await post(setting.connection, Buffer.from('{}'));
    process.off('warning', warned);
    // Node warns of listeners that pile up.
    expect(warnings).toEqual([]);
  });

  it('knows that what met a closed port cannot have arrived', async () => {
    const setting = await serving(() => {});
    await setting[Symbol.asyncDispose]();
    const error = await noAnswerOf(post(setting.connection, Buffer.from('{}')));
    expect([error.code, error.mayHaveArrived]).toEqual(['ECONNREFUSED', false]);
  });

  it('follows no redirect', async () => {
    let requests = 0;
    await using setting = await serving((request, response) => {
      requests++;
      request.resume();
      response.writeHead(307, { location: '/v1/elsewhere' }).end();
    });
    expect((await post(setting.connection, Buffer.from('{}'))).status).toBe(307);
    expect(requests).toBe(1);
  });

  it('takes no answer over 1 MiB', async () => {
    await using setting = await serving((request, response) => {
      request.resume();
      response.end(Buffer.alloc(1024 * 1024 + 1));
    });
    expect((await noAnswerOf(post(setting.connection, Buffer.from('{}')))).code).toBe('AnswerTooLong');
  });
});
