/**
 * The HTTP endpoint for probes under whatever bytes come: it answers or hangs up, repeats nothing, and goes on answering
 * those who speak HTTP.
 */
import { connect } from 'node:net';
import { Registry } from 'prom-client';
import { expect, it } from 'vitest';
import { serveHttp } from '../../src/telemetry/http.ts';
import { mutateBytes } from '../fuzz/engine/bytes.ts';
import { Dice } from '../fuzz/engine/dice.ts';
import { freePort } from '../support/daemon.ts';

const secret = 'hunter2';
const requests = [
  `GET /metrics HTTP/1.1\r\nHost: a\r\nX-A: ${secret}\r\n\r\n`,
  `HEAD /livez?${secret} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`,
  `POST /readyz HTTP/1.1\r\nHost: a\r\nContent-Length: 7\r\n\r\n${secret}`,
  `GET http://${secret}/../metrics HTTP/1.0\r\n\r\n`,
  `PUT /${secret} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n7\r\n${secret}\r\n0\r\n\r\n`,
  `GET / HTTP/1.1\r\nHost: a\r\nUpgrade: h2c\r\nConnection: Upgrade\r\nHTTP2-Settings: ${secret}\r\n\r\n`,
  `GET /${'a'.repeat(20_000)} HTTP/1.1\r\n\r\n`,
].map((text) => Buffer.from(text)) as [Buffer, ...Buffer[]];

/** How long a connection is listened to after the last bytes of its request, in milliseconds. */
const listenMs = 8_000;

/** All that comes back for these bytes until the server, told that no more will come, hangs up. */
function answerTo(bytes: Buffer, port: number): Promise<string> {
  return new Promise((done, fail) => {
    let answer = '';
    const socket = connect(port, '127.0.0.1', () => socket.end(bytes));
    const timer = setTimeout(() => {
      socket.destroy();
      fail(new Error(`the server does not hang up: ${JSON.stringify(bytes.toString('latin1'))}`));
    }, listenMs);
    socket.on('data', (chunk) => {
      answer += chunk.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      done(answer);
    });
  });
}

it('answers or hangs up, repeats nothing, and goes on', async () => {
  const port = await freePort();
  await using _server = await serveHttp({ host: '127.0.0.1', port, registry: new Registry(), isReady: () => true });
  const dice = new Dice(5);
  const seen = new Set<string>();
  for (let round = 0; round < 60; round++) {
    const mutants = Array.from({ length: 10 }, () => mutateBytes(dice.pick(requests), dice, dice.pick(requests)));
    for (const answer of await Promise.all(mutants.map((bytes) => answerTo(bytes, port)))) {
      if (answer.includes(secret)) throw new Error('an answer repeats its request');
      for (const [, status] of answer.matchAll(/HTTP\/1\.1 (\d+) /g)) seen.add(status ?? '');
    }
    expect((await fetch(`http://127.0.0.1:${port}/livez`)).status).toBe(200);
  }
  expect([...seen].toSorted()).toEqual(expect.arrayContaining(['200', '400', '404', '405']));
  expect([...seen].filter((status) => status.startsWith('5'))).toEqual([]);
});
