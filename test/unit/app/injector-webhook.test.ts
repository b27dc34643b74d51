import { once } from 'node:events';
import { Agent, type RequestOptions, request } from 'node:https';
import { connect, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import jsonPatch from 'fast-json-patch';
import { pino } from 'pino';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Answer, answerReview } from '../../../src/app/injector/mutate.ts';
import { largestBody, WebhookServer } from '../../../src/app/injector/webhook-server.ts';
import { type Clock, systemClock } from '../../../src/base/clock.ts';
import { createInjectorMetrics } from '../../../src/telemetry/injector-metrics.ts';
import { SparingLog } from '../../../src/telemetry/sparing-log.ts';
import { makeAuthority } from '../../support/certificates.ts';
import { freePort } from '../../support/daemon.ts';
import { podSettings, podShapes } from '../../support/pod-shapes.ts';

const authority = await makeAuthority();
const { cert, key } = await authority.issue();
const port = await freePort();
const lines: Record<string, unknown>[] = [];
const log = pino({ level: 'debug' }, { write: (line) => void lines.push(JSON.parse(line)) });
const metrics = createInjectorMetrics({ certificateExpiresAtMs: () => undefined });
const server = new WebhookServer(
  {
    ...{ address: { host: '127.0.0.1', port }, clock: systemClock, log, metrics, lingerMs: 0 },
    answer: (path, body) =>
      answerReview(path, body, { settings: () => podSettings, log, sparing: new SparingLog(systemClock) }),
  },
  { cert, key: Buffer.from(key) },
);

beforeAll(() => server.listen());
afterAll(() => server.drain());

async function anotherServer(
  more: {
    readonly handshakeMs?: number;
    readonly mostConnections?: number;
    readonly clock?: Clock;
    /** What some bodies get instead of what they ask for. */
    readonly answers?: Readonly<Record<string, Answer>>;
    readonly onAnswer?: (body: Buffer) => void;
  } = {},
): Promise<[WebhookServer, number]> {
  const address = { host: '127.0.0.1', port: await freePort() };
  const own = createInjectorMetrics({ certificateExpiresAtMs: () => undefined });
  const { answers = {}, onAnswer, ...options } = more;
  const sparing = new SparingLog(systemClock);
  const another = new WebhookServer(
    {
      ...{ address, clock: systemClock, log, metrics: own, lingerMs: 0, ...options },
      answer(path, body) {
        onAnswer?.(body);
        return answers[String(body)] ?? answerReview(path, body, { settings: () => podSettings, log, sparing });
      },
    },
    { cert, key: Buffer.from(key) },
  );
  return [another, address.port];
}

/** An answer of so many KiB. */
function large(size: number): Answer {
  return { status: 200, body: { large: 'x'.repeat(size * 1024) }, outcome: 'unchanged' };
}

/** Where a review goes. */
const to = (port: number) => ({
  ...{ host: '127.0.0.1', port, servername: 'localhost', ca: authority.ca },
  ...({ agent: false, method: 'POST', path: '/mutate' } as const),
});

interface Answered {
  readonly status: number;
  readonly body: Record<string, unknown>;
  readonly connection: string | undefined;
}

function ask(
  body: string | Buffer | undefined,
  options: RequestOptions & { chunked?: boolean } = {},
): Promise<Answered> {
  const { chunked = false, ...rest } = options;
  return new Promise((done, fail) => {
    const call = request({
      ...to(port),
      ...rest,
      headers: {
        'content-type': 'application/json',
        ...(!chunked && body !== undefined && { 'content-length': Buffer.byteLength(body) }),
        ...(rest.headers as object),
      },
    });
    call.on('response', (answer) => {
      let text = '';
      answer.on('data', (chunk) => {
        text += chunk;
      });
      answer.on('end', () =>
        done({ status: answer.statusCode ?? 0, body: JSON.parse(text || '{}'), connection: answer.headers.connection }),
      );
    });
    call.on('error', fail);
    call.end(body);
  });
}

function review(more: object = {}): string {
  const uid = 'c0ffee00-0000-4000-8000-000000000000';
  const kind = { group: '', version: 'v1', kind: 'Pod' };
  const object = podShapes[0]?.pod;
  const request = { uid, kind, operation: 'CREATE', namespace: 'shop', object, ...more };
  return JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request });
}

async function count(outcome: string): Promise<number> {
  const { values } = await metrics.requests.get();
  return values.find(({ labels }) => labels.outcome === outcome)?.value ?? 0;
}

test('a review is answered by its uid, with a patch of the type JSONPatch, and counted', async () => {
  const before = await count('injected');
  const { status, body } = await ask(review());
  expect(status).toBe(200);
  expect(body).toMatchObject({
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: { uid: 'c0ffee00-0000-4000-8000-000000000000', allowed: true, patchType: 'JSONPatch' },
  });
  expect(await count('injected')).toBe(before + 1);
  expect(lines.at(-1)).toMatchObject({ msg: 'a pod got keyproxy', namespace: 'shop', name: 'orders' });
});

test('a pod that is refused is told why, and its warnings are short enough for the API server', async () => {
  const pod = {
    metadata: {
      generateName: 'orders-',
      labels: { 'keyproxy.io/inject': 'true' },
      annotations: { [`keyproxy.io/${'x'.repeat(60)}`]: '1' },
    },
    spec: { hostNetwork: true, containers: [{ name: 'app' }] },
  };
  const { body } = await ask(review({ object: pod }));
  expect(body['response']).toMatchObject({
    allowed: false,
    status: { code: 403, message: expect.stringMatching(/^keyproxy cannot be put into this pod: it has hostNetwork/) },
  });
  expect(body['response']).not.toHaveProperty('patch');
  const { warnings } = body['response'] as { warnings: string[] };
  expect(warnings).toHaveLength(1);
  expect(warnings.every((warning) => warning.length <= 256)).toBe(true);
  expect(lines.at(-1)).toMatchObject({ msg: 'a pod was refused', name: 'orders-' });
});

test.each([
  ['a deployment', { kind: { group: 'apps', version: 'v1', kind: 'Deployment' } }, /CREATE of Deployment/],
  ['a pod that is changed', { operation: 'UPDATE' }, /UPDATE of Pod/],
  ['a pod that is bound', { subResource: 'binding' }, /CREATE of Pod\/binding/],
  ['no object', { object: null }, /CREATE of Pod/],
])('a review of %s, which the webhook is not for, is refused with what to correct', async (_what, more, what) => {
  const { status, body } = await ask(review(more));
  expect(status).toBe(200);
  expect(body['response']).toMatchObject({ allowed: false, status: { message: expect.stringMatching(what) } });
});

describe('the second look', () => {
  const path = { path: '/validate' };
  const whole = async () => {
    const { body } = await ask(review());
    const { patch } = body['response'] as { patch: string };
    const steps = JSON.parse(Buffer.from(patch, 'base64').toString('utf8'));
    return jsonPatch.applyPatch(structuredClone(podShapes[0]?.pod), steps).newDocument;
  };
  const update = { operation: 'UPDATE' };
  const labelled = podShapes[0]?.pod as { metadata: object };
  const unlabelled = { ...labelled, metadata: { ...labelled.metadata, labels: {} } };
  const ephemeral = { ...update, subResource: 'ephemeralcontainers' };
  const status = { ...update, subResource: 'status' };
  const binding = (labels: object) => ({
    ...{ kind: { group: '', version: 'v1', kind: 'Binding' }, subResource: 'binding' },
    object: { metadata: { name: 'orders', labels }, target: { kind: 'Node', name: 'a' } },
  });

  test.each<[string, () => Promise<object>]>([
    ['a pod that is whole', async () => ({ object: await whole() })],
    ['a pod that does not ask', async () => ({ object: unlabelled })],
    [
      'the label that comes back to a whole pod',
      async () => ({ ...update, object: await whole(), oldObject: unlabelled }),
    ],
    ['a bare pod whose label is old', async () => ({ ...update, object: labelled, oldObject: labelled })],
    ['the status of a pod that is whole', async () => ({ ...status, object: await whole(), oldObject: unlabelled })],
    ['the status of a bare pod whose label is old', async () => ({ ...status, object: labelled, oldObject: labelled })],
    ['a binding', async () => binding({})],
    ['a label that is taken away', async () => ({ ...update, object: unlabelled, oldObject: labelled })],
  ])('lets pass: %s', async (_what, more) => {
    const { body } = await ask(review(await more()), path);
    expect(body['response']).toEqual({ uid: 'c0ffee00-0000-4000-8000-000000000000', allowed: true });
  });

  test.each([
    ['a new pod that is bare', {}, /does not have all of it/],
    ['a new pod that cannot be had', { object: { ...labelled, spec: { hostNetwork: true } } }, /has hostNetwork/],
    ['a label on a bare pod', { ...update, oldObject: unlabelled }, /create it anew/],
    ['a label on a pod of which nothing was told', { ...update, oldObject: null }, /create it anew/],
    ['a label on a bare pod, by its status', { ...status, oldObject: unlabelled }, /create it anew/],
    ['a label on a pod, by its binding', binding({ 'keyproxy.io/inject': 'true' }), /a binding puts keyproxy into no/],
    [
      'ephemeral containers',
      ephemeral,
      /asked about UPDATE of Pod\/ephemeralcontainers; .* ValidatingWebhookConfiguration/,
    ],
  ])('refuses %s', async (_what, more, why) => {
    const { body } = await ask(review(more), path);
    expect(body['response']).toMatchObject({ allowed: false, status: { message: expect.stringMatching(why) } });
    expect(body['response']).not.toHaveProperty('patch');
  });
});

/** What an API server takes a message out of. */
function statusOf(code: number, reason: string, message: RegExp) {
  const told = { code, reason, message: expect.stringMatching(message) };
  return { kind: 'Status', apiVersion: 'v1', status: 'Failure', ...told };
}

describe('what is no review', () => {
  test.each([
    ['nothing', ''],
    ['no JSON', '{"kind"'],
    ['no UTF-8', Buffer.from([0x7b, 0xff, 0x7d])],
    ['a list', '[]'],
    ['null', 'null'],
    ['another kind', JSON.stringify({ apiVersion: 'v1', kind: 'Pod' })],
    ['a review of v1beta1', review().replace('/v1"', '/v1beta1"')],
    ['a review without a request', JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview' })],
    ['a review without a uid', review({ uid: undefined })],
    ['a uid that is a number', review({ uid: 7 })],
    ['a pod of more values than are read', review({ object: Array.from({ length: 50_000 }, () => 0) })],
    ['a deep nest', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
  ])('is a 400 that says what would be right: %s', async (_what, body) => {
    const before = [await count('unread'), await count('failed')];
    const answer = await ask(body);
    expect(answer.status).toBe(400);
    expect(answer.body).toEqual(statusOf(400, 'BadRequest', /must (be|have)/));
    expect([await count('unread'), await count('failed')]).toEqual([(before[0] ?? 0) + 1, before[1]]);
  });

  test.each<[string, RequestOptions, number, string]>([
    ['another path', { path: '/' }, 404, 'NotFound'],
    ['a path behind it', { path: '/mutate/more' }, 404, 'NotFound'],
    ['another method', { method: 'GET' }, 405, 'MethodNotAllowed'],
    ['another content type', { headers: { 'content-type': 'text/plain' } }, 415, 'UnsupportedMediaType'],
  ])('is not read, and pages nobody: %s', async (_what, options, status, reason) => {
    const before = [await count('unread'), await count('failed')];
    const answer = await ask(options.method === 'GET' ? undefined : review(), options);
    expect([answer.status, answer.connection]).toEqual([status, 'close']);
    expect(answer.body).toEqual(statusOf(status, reason, /./));
    expect([await count('unread'), await count('failed')]).toEqual([(before[0] ?? 0) + 1, before[1]]);
  });

  test.each([
    ['announced', false],
    ['not announced', true],
  ])('is told so when all of it has come: a large body, %s', async (_what, chunked) => {
    const answer = await ask(Buffer.alloc(4 * largestBody, 0x20), { chunked });
    expect([answer.status, answer.connection]).toEqual([413, 'close']);
    expect(answer.body).toEqual(statusOf(413, 'RequestEntityTooLarge', RegExp(`larger than ${largestBody} bytes`)));
  });

  test('a large body can be sent to its end, so that its sender comes to the answer', async () => {
    const socket = connectTls({ host: '127.0.0.1', port, ca: authority.ca, servername: 'localhost' });
    const broken = once(socket, 'close').then(() => 'broken off');
    const sent = new Promise((done) => {
      socket.on('error', () => {});
      const head = 'POST /mutate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n';
      socket.write(`${head}content-length: ${4 * largestBody}\r\n\r\n`);
      socket.write(Buffer.alloc(4 * largestBody, 0x20), (error) => done(error ? 'broken off' : 'sent'));
    });
    expect(await Promise.race([sent, broken])).toBe('sent');
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1\.1 413 /);
    socket.destroy();
  });

  test('is not read at all: a head that is larger than any of an API server', async () => {
    const socket = connectTls({ ...to(port), path: undefined });
    socket.write(`POST /mutate HTTP/1.1\r\nhost: x\r\nx: ${'a'.repeat(8192)}\r\n\r\n`);
    const [answer] = await once(socket, 'data');
    expect(String(answer)).toMatch(/^HTTP\/1\.1 431 /);
    socket.destroy();
  });

  test('is not read at all: a body that is announced to be without measure', async () => {
    const { status } = await ask(undefined, { headers: { 'content-length': 2 ** 40 } });
    expect(status).toBe(413);
  });
});

test('a connection may wait for its next request for longer than the client of an API server keeps it', async () => {
  const agent = new Agent({ keepAlive: true });
  const call = request({ ...to(port), agent, headers: { 'content-type': 'application/json' } });
  call.end(review());
  const [answer] = await once(call, 'response');
  answer.resume();
  expect(Number(/timeout=(\d+)/.exec(answer.headers['keep-alive'])?.[1])).toBeGreaterThan(90);
  agent.destroy();
});

test('a query behind the path, as the API server has it, is not looked at', async () => {
  expect((await ask(review(), { path: '/mutate?timeout=5s' })).status).toBe(200);
});

test('a client of TLS 1.2, one without TLS and one that breaks off leave the server as it was', async () => {
  await expect(ask(review(), { maxVersion: 'TLSv1.2' })).rejects.toThrow();
  const plain = connect(port, '127.0.0.1');
  plain.write('GET / HTTP/1.1\r\n\r\n');
  plain.on('error', () => {});
  await once(plain, 'close');
  const half = connectTls({ host: '127.0.0.1', port, ca: authority.ca, servername: 'localhost' });
  await once(half, 'secureConnect');
  half.write('POST /mutate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 100\r\n\r\n{');
  await new Promise((done) => setTimeout(done, 50));
  const before = await count('failed');
  half.destroy();
  await until(() => lines.some(({ msg }) => msg === 'a request was broken off'));
  expect(await count('failed')).toBe(before);
  expect((await ask(review())).status).toBe(200);
});

test('a request that is under way when the server ends is answered', async () => {
  const [another, anotherPort] = await anotherServer();
  await another.listen();
  const text = review();
  const call = request({
    ...to(anotherPort),
    headers: { 'content-type': 'application/json', 'content-length': text.length },
  });
  const answered = once(call, 'response');
  call.write(text.slice(0, 10));
  await once(call, 'socket').then(([socket]) => once(socket, 'secureConnect'));
  await new Promise((done) => setTimeout(done, 50));
  const drained = another.drain();
  call.end(text.slice(10));
  const [answer] = await answered;
  answer.resume();
  expect([answer.statusCode, answer.headers.connection]).toEqual([200, 'close']);
  await drained;
});

test('a server that is ended before it listens does not listen', async () => {
  // The end is faster than the system.
  const after: Clock['after'] = (_milliseconds, run) => {
    run();
    return { [Symbol.dispose]() {} };
  };
  const [another, anotherPort] = await anotherServer({ clock: { ...systemClock, after } });
  const listening = another.listen();
  await another.drain();
  await listening;
  const call = connect(anotherPort, '127.0.0.1');
  expect(await once(call, 'connect').catch(({ code }) => code)).toBe('ECONNREFUSED');
});

describe('whoever comes without credentials', () => {
  const head = 'POST /mutate HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n';

  test('and holds back the ends of large bodies loses the oldest of them, and reviews are answered', async () => {
    const [another, anotherPort] = await anotherServer();
    await another.listen();
    const sockets = await Promise.all(
      Array.from({ length: 6 }, async () => {
        const socket = connectTls({ ...to(anotherPort), path: undefined });
        socket.on('error', () => {});
        await once(socket, 'secureConnect');
        socket.write(`${head}content-length: ${largestBody}\r\n\r\n`);
        socket.write(Buffer.alloc(largestBody - 1, 0x20));
        return socket;
      }),
    );
    await until(() => sockets.filter(({ closed }) => closed).length >= 4);
    expect((await ask(review(), { port: anotherPort })).status).toBe(200);
    expect(sockets.filter(({ closed }) => !closed).length).toBeGreaterThan(0);
    for (const socket of sockets) socket.destroy();
    await another.drain();
  });

  test('and does not begin to speak is cut off', async () => {
    const [another, anotherPort] = await anotherServer({ handshakeMs: 100 });
    await another.listen();
    await once(connect(anotherPort, '127.0.0.1').resume(), 'close');
    await another.drain();
  });

  test('and makes connections gets a bounded number, the oldest of which go', async () => {
    const [another, anotherPort] = await anotherServer({ mostConnections: 64 });
    await another.listen();
    const sockets = Array.from({ length: 64 + 50 }, () => connect(anotherPort, '127.0.0.1'));
    for (const socket of sockets) socket.on('error', () => {}).resume();
    const closed = () => sockets.filter((socket) => socket.closed).length;
    await until(() => closed() >= 74);
    expect(closed()).toBe(74);
    expect(sockets.at(-1)?.closed).toBe(false);
    for (const socket of sockets) socket.destroy();
    await another.drain();
  });

  test('and keeps connections that wait for nothing loses those first whose last answer is longest ago', async () => {
    const [another, anotherPort] = await anotherServer({ mostConnections: 16 });
    await another.listen();
    const agents = Array.from({ length: 20 }, () => new Agent({ keepAlive: true }));
    const isOpen = (agent: Agent) => Object.values(agent.freeSockets).some((list) => list?.length);
    for (const agent of agents) {
      await ask(review(), { port: anotherPort, agent });
      await ask(review(), { port: anotherPort, agent: agents[0] as Agent });
    }
    await until(() => agents.filter(isOpen).length <= 13);
    expect(agents.map(isOpen)).toEqual(agents.map((_agent, place) => place === 0 || place > 7));
    for (const agent of agents) agent.destroy();
    await another.drain();
  });

  test('and asks for large answers, fetched or not, gets 16 MiB of them in ten minutes and no connection of theirs', async () => {
    let later = 0;
    const clock = { ...systemClock, monotonic: () => systemClock.monotonic() + later };
    const [another, anotherPort] = await anotherServer({ clock, answers: { '"large"': large(1024) } });
    await another.listen();
    using agent = Object.assign(new Agent({ keepAlive: true }), { [Symbol.dispose]: () => agent.destroy() });
    const asked = async () => await ask('"large"', { port: anotherPort, agent });
    for (let count = 0; count < 15; count++) expect(await asked()).toMatchObject({ status: 200, connection: 'close' });
    expect(await asked()).toMatchObject({
      ...{ status: 503, connection: 'keep-alive' },
      body: { message: expect.stringMatching(/^too many pods of very many containers or tokens/) },
    });
    expect((await ask(review(), { port: anotherPort, agent })).status).toBe(200);
    later = 10 * 60_000;
    expect((await asked()).status).toBe(200);
    await another.drain();
  });

  test('and sends one request after another without waiting for answers is closed', async () => {
    const asked: unknown[] = [];
    const [another, anotherPort] = await anotherServer({ onAnswer: (body) => void asked.push(body) });
    await another.listen();
    const socket = connectTls({ ...to(anotherPort), path: undefined });
    socket.on('error', () => {});
    await once(socket, 'secureConnect');
    socket.write(`${head}content-length: 2\r\n\r\n{}`.repeat(150));
    await once(socket.resume(), 'close');
    await another.drain();
    expect(asked.length).toBeLessThanOrEqual(2);
  });

  test('and sends what is no review does not fill the log', async () => {
    const [another, anotherPort] = await anotherServer();
    await another.listen();
    const before = lines.length;
    for (let count = 0; count < 20; count++) expect((await ask('{}', { port: anotherPort })).status).toBe(400);
    expect(lines.slice(before).filter(({ msg }) => msg === 'a request was no review')).toHaveLength(1);
    await another.drain();
  });

  test('and does not fetch its answers loses the oldest of them', async () => {
    const answers = { '"large"': large(700) };
    const [another, anotherPort] = await anotherServer({ mostConnections: 16, answers });
    await another.listen();
    const sockets: Socket[] = [];
    for (let count = 0; count < 20; count++) {
      const socket = connectTls({ ...to(anotherPort), path: undefined }).on('error', () => {});
      sockets.push(socket);
      socket.write(`${head}content-length: 7\r\n\r\n"large"`);
      await once(socket, 'data');
      socket.pause();
    }
    expect((await ask(review(), { port: anotherPort })).status).toBe(200);
    for (const socket of sockets) socket.destroy();
    await another.drain();
  });

  const silent = (port: number) => connect(port, '127.0.0.1');
  const withTls = (text: string) => (port: number) => {
    const socket = connectTls({ ...to(port), path: undefined });
    socket.once('secureConnect', () => socket.write(text));
    return socket;
  };
  const whole = `${head}content-length: 2\r\n\r\n{}`;
  const half = `${head}content-length: 100\r\n\r\n{`;
  const oneLetterLater = (port: number) => {
    const socket = withTls(whole)(port);
    return socket.once('data', () => socket.write('P'));
  };

  test.each<[string, 'stays' | 'may go', (port: number) => Socket]>([
    ['and sends nothing', 'stays', silent],
    ['and speaks TLS and asks nothing', 'stays', withTls('')],
    ['and does not end a body', 'stays', withTls(half)],
    ['and does not end the body behind a whole one', 'stays', withTls(whole + half)],
    // Of these the server is told nothing but that they have been served.
    ['and does not end the head after an answer', 'may go', oneLetterLater],
  ])(
    'in numbers, again and again, %s, the API server is not kept out, and its connection %s',
    async (_how, own, open) => {
      const [another, anotherPort] = await anotherServer({ mostConnections: 16 });
      await another.listen();
      using agent = Object.assign(new Agent({ keepAlive: true, maxSockets: 1 }), {
        [Symbol.dispose]: () => agent.destroy(),
      });
      const kept = () => Object.values(agent.freeSockets).flatMap((list) => list ?? []);
      await ask(review(), { port: anotherPort, agent });
      const before = kept();
      expect(before).toHaveLength(1);
      using attackers = crowd(20, () => open(anotherPort));
      await until(() => attackers.opened() > 24);
      for (let count = 0; count < 10; count++) {
        expect((await ask(review(), { port: anotherPort })).status).toBe(200);
        if (own === 'stays') expect((await ask(review(), { port: anotherPort, agent })).status).toBe(200);
      }
      if (own === 'stays') expect(kept()).toEqual(before);
      attackers[Symbol.dispose]();
      await another.drain();
    },
  );
});

/** Opens `count` connections, and another for each that is closed. */
function crowd(count: number, open: () => Socket): Disposable & { opened(): number } {
  const sockets = new Set<Socket>();
  let [isOver, opened] = [false, 0];
  const add = () => {
    if (isOver) return;
    opened++;
    const socket = open();
    sockets.add(socket.on('error', () => {}).resume());
    socket.once('close', () => {
      sockets.delete(socket);
      setTimeout(add, 50);
    });
  };
  for (let made = 0; made < count; made++) add();
  return {
    opened: () => opened,
    [Symbol.dispose]() {
      isOver = true;
      for (const socket of sockets) socket.destroy();
    },
  };
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error('it did not come to pass in time');
    await new Promise((done) => setTimeout(done, 10));
  }
}
