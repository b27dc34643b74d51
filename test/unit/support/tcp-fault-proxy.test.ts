/** The fault proxy between an HTTP client and an HTTP server: what each mode does to old and to new connections. */
import { once } from 'node:events';
import { Agent, createServer, get } from 'node:http';
import { connect, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { describe, expect, test, vi } from 'vitest';
import { pause, systemClock } from '../../../src/base/clock.ts';
import { startTcpFaultProxy, type TcpFaultProxy } from '../../support/tcp-fault-proxy.ts';
import type { TcpMode } from '../../support/tcp-link.ts';

/** Longer than any answer takes that comes, in milliseconds. */
const silenceMs = 250;
const answer = 'an answer';

interface Line extends AsyncDisposable {
  readonly proxy: TcpFaultProxy;
  /** How many requests the server has got. */
  requests(): number;
  /** Asks over the connection of the question before, where that still stands; rejects after `withinMs`. */
  ask(withinMs?: number): Promise<string>;
}

/** A server, the proxy in front of it, and a client with one connection at most. */
async function line(): Promise<Line> {
  let requests = 0;
  const server = createServer((_request, response) => {
    requests += 1;
    response.end(answer);
  });
  const proxy = await startTcpFaultProxy(await listening(server));
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  return {
    proxy,
    requests: () => requests,
    async ask(withinMs = 10_000) {
      const request = get(`http://${proxy.address}`, { agent, signal: AbortSignal.timeout(withinMs) });
      const [response] = await once(request, 'response');
      return text(response);
    },
    async [Symbol.asyncDispose]() {
      agent.destroy();
      await proxy[Symbol.asyncDispose]();
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}

/** Has `server` listen and tells where. */
async function listening(server: Server): Promise<string> {
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  return `127.0.0.1:${address.port}`;
}

function connected({ address }: { readonly address: string }): Socket {
  return connect({ host: '127.0.0.1', port: Number(address.split(':')[1]), noDelay: true });
}

/** In which state a mode finds the connection. */
const ages = ['new', 'existing'] as const;

async function lineOf(age: (typeof ages)[number], mode: TcpMode): Promise<Line> {
  const made = await line();
  if (age === 'existing') await made.ask();
  await made.proxy.become(mode);
  return made;
}

async function timed<T>(run: () => Promise<T>): Promise<{ result: T; ms: number }> {
  const start = performance.now();
  return { result: await run(), ms: performance.now() - start };
}

describe.concurrent.each(ages)('over a connection that is %s', (age) => {
  const before = age === 'new' ? 0 : 1;

  test('pass hands everything on', async () => {
    await using it = await lineOf(age, { kind: 'pass' });
    expect(await it.ask()).toBe(answer);
    expect({ connections: it.proxy.connections, open: it.proxy.open }).toEqual({ connections: 1, open: 1 });
  });

  test('delay hands everything on, later each way', async () => {
    await using it = await lineOf(age, { kind: 'delay', ms: 60 });
    const { result, ms } = await timed(() => it.ask());
    expect(result).toBe(answer);
    expect(ms).toBeGreaterThan(115);
    expect(it.proxy.connections).toBe(1);
  });

  test('trickle hands the answer on byte by byte', async () => {
    await using it = await lineOf(age, { kind: 'trickle', msPerByte: 1 });
    const { result, ms } = await timed(() => it.ask());
    expect(result).toBe(answer);
    // The head alone has more bytes than this.
    expect(ms).toBeGreaterThan(100);
    expect(it.proxy.connections).toBe(1);
  });

  test('half-open lets the request through and no answer back', async () => {
    await using it = await lineOf(age, { kind: 'half-open' });
    await expect(it.ask(silenceMs)).rejects.toMatchObject({ code: 'ABORT_ERR' });
    expect(it.requests()).toBe(before + 1);
    expect(it.proxy.connections).toBe(1);
  });

  test('blackhole keeps the connection and lets nothing through', async () => {
    await using it = await lineOf(age, { kind: 'blackhole' });
    await expect(it.ask(silenceMs)).rejects.toMatchObject({ code: 'ABORT_ERR' });
    expect(it.requests()).toBe(before);
    expect(it.proxy.connections).toBe(1);
  });

  test.each(['half-open', 'blackhole'] as const)('what %s held back arrives when the network is well', async (kind) => {
    await using it = await lineOf(age, { kind });
    const late = it.ask();
    await vi.waitFor(() => expect(it.proxy.open).toBe(1), { timeout: 5_000 });
    await it.proxy.become({ kind: 'pass' });
    expect(await late).toBe(answer);
    expect(it.requests()).toBe(before + 1);
  });
});

test('reset accepts a connection and resets it', async () => {
  await using it = await lineOf('new', { kind: 'reset' });
  await expect(it.ask()).rejects.toMatchObject({ code: 'ECONNRESET' });
  expect({ connections: it.proxy.connections, requests: it.requests() }).toEqual({ connections: 1, requests: 0 });
});

test('refuse leaves nobody who listens, until another mode comes', async () => {
  await using it = await lineOf('new', { kind: 'refuse' });
  await expect(it.ask()).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await it.proxy.become({ kind: 'pass' });
  expect(await it.ask()).toBe(answer);
  expect({ connections: it.proxy.connections, open: it.proxy.open }).toEqual({ connections: 1, open: 1 });
});

test.each(['reset', 'refuse'] as const)('an idle connection is closed by %s', async (kind) => {
  await using it = await lineOf('existing', { kind: 'pass' });
  expect(it.proxy.open).toBe(1);
  await it.proxy.become({ kind });
  await vi.waitFor(() => expect(it.proxy.open).toBe(0), { timeout: 5_000 });
});

describe.concurrent('a request that waits for its answer', () => {
  test.each(['reset', 'refuse'] as const)('is reset by %s', async (kind) => {
    await using it = await lineOf('new', { kind: 'half-open' });
    const broken = expect(it.ask()).rejects.toMatchObject({ code: 'ECONNRESET' });
    await vi.waitFor(() => expect(it.requests()).toBe(1), { timeout: 5_000 });
    await it.proxy.become({ kind });
    await broken;
    await vi.waitFor(() => expect(it.proxy.open).toBe(0), { timeout: 5_000 });
  });

  test('gets the rest of a trickle at once when the network is well', async () => {
    await using it = await lineOf('new', { kind: 'trickle', msPerByte: 10_000 });
    const late = it.ask();
    await vi.waitFor(() => expect(it.requests()).toBe(1), { timeout: 5_000 });
    await it.proxy.become({ kind: 'pass' });
    expect(await late).toBe(answer);
  });
});

test('a client that goes is gone for the server too, and a server that cannot be reached is a reset', async () => {
  await using it = await line();
  const client = connected(it.proxy);
  await vi.waitFor(() => expect(it.proxy.open).toBe(1), { timeout: 5_000 });
  client.end();
  await once(client, 'close');
  await vi.waitFor(() => expect(it.proxy.open).toBe(0), { timeout: 5_000 });
  await using nowhere = await startTcpFaultProxy('127.0.0.1:1');
  await expect(once(get(`http://${nowhere.address}`), 'response')).rejects.toMatchObject({ code: 'ECONNRESET' });
});

test('delay keeps chunks that follow each other closely as close, and in order', async () => {
  const echo = createTcpServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  await using proxy = await startTcpFaultProxy(await listening(echo));
  await proxy.become({ kind: 'delay', ms: 50 });
  const client = connected(proxy);
  const chunks = Array.from({ length: 20 }, (_, index) => String(index).padStart(2, '0'));
  const { result, ms } = await timed(async () => {
    for (const chunk of chunks) {
      client.write(chunk);
      await pause(systemClock, 5);
    }
    client.end();
    return text(client);
  });
  echo.close();
  expect(result).toBe(chunks.join(''));
  // One after the other they would need two seconds.
  expect(ms).toBeLessThan(1_000);
});
