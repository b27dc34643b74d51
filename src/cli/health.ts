/**
 * `keyproxy health`: asks the daemon beside it how it is, for probes and hooks in an image that has neither a shell nor curl. It
 * counts against the daemon's own limit of memory while it runs, so it speaks HTTP itself: Node's client is 15 MiB.
 */
import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { exitCodes, type Terminal, UsageError } from './exit.ts';

const usage = `keyproxy health [--live] [--wait SECONDS] [--address URL]
  --live      asks whether the process lives, not whether calls are welcome
  --wait      asks again until the answer is yes, for so long at most
  --address   where it serves health over HTTP; http://127.0.0.1:9464, or the port of KEYPROXY_HTTP_ADDRESS`;

const defaultPort = '9464';
/** Longest wait for the whole answer, in milliseconds: above a busy turn, below a probe's own patience. */
const timeoutMs = 2000;
/** Between two questions, in milliseconds. */
const pauseMs = 100;
/** What is read of an answer, and shown of its text, in characters. */
const maxAnswerLength = 8192;
const shownLength = 80;

/** Prints one line. Exit code 0 where the answer is 200, 1 for every other answer and for none. */
export async function health(args: readonly string[], terminal: Terminal): Promise<number> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      address: { type: 'string' },
      live: { type: 'boolean', default: false },
      wait: { type: 'string', default: '0' },
      help: { type: 'boolean', default: false },
    },
  });
  if (values.help) {
    terminal.out(`usage: ${usage}\n`);
    return exitCodes.ok;
  }
  const origin = values.address === undefined ? ownOrigin(terminal.env) : originOf(values.address);
  const path = values.live ? '/livez' : '/readyz';
  const url = `${origin}${path}`;
  if (!/^\d{1,5}$/.test(values.wait)) throw new UsageError(`--wait must be a whole number of seconds\n${usage}`);
  const answer = await lastAnswer({ origin, path, seconds: Number(values.wait) });
  switch (answer.kind) {
    case 'none':
      terminal.err(`✗ ${url}: ${answer.why}\n`);
      return exitCodes.failed;
    case 'answered':
      if (isYes(answer)) {
        terminal.out(`✓ ${url}: ${answer.text}\n`);
        return exitCodes.ok;
      }
      terminal.err(`✗ ${url}: ${answer.status} ${answer.text}\n`);
      return exitCodes.failed;
  }
}

function originOf(address: string): string {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (url?.protocol !== 'http:' || url.hostname === '' || `${url.pathname}${url.search}${url.hash}` !== '/') {
    throw new UsageError(`--address must be a URL like http://127.0.0.1:9464, without a path\n${usage}`);
  }
  if (url.username !== '' || url.password !== '')
    throw new UsageError(`--address takes no user and no password\n${usage}`);
  return url.origin;
}

/**
 * Where the daemon with this environment listens. An address that stands for every interface is reached over loopback.
 * Not `config/address.ts`: its tables would be read for the sake of one address, at every probe.
 */
function ownOrigin(env: Terminal['env']): string {
  const address = env['KEYPROXY_HTTP_ADDRESS'] || `:${defaultPort}`;
  const [found, host = '', port = ''] = /^(.*):(\d{1,5})$/.exec(address) ?? [];
  const origin = `http://${loopbackFor[host] ?? host}:${port}`;
  if (found === undefined || !URL.canParse(origin)) {
    throw new UsageError(`KEYPROXY_HTTP_ADDRESS must be an address as IP:port, or :port for every interface\n${usage}`);
  }
  return new URL(origin).origin;
}

const loopbackFor: Readonly<Record<string, string>> = { '': '127.0.0.1', '0.0.0.0': '127.0.0.1', '[::]': '[::1]' };

type Answer =
  | { readonly kind: 'answered'; readonly status: number; readonly text: string }
  | { readonly kind: 'none'; readonly why: string };

/** The first yes within so many seconds, or the last answer; one answer at least. Never rejects. */
async function lastAnswer({ origin, path, seconds }: { origin: string; path: string; seconds: number }) {
  const end = performance.now() + seconds * 1000;
  for (;;) {
    const answer = await ask(origin, path);
    if (isYes(answer) || performance.now() + pauseMs >= end) return answer;
    await sleep(pauseMs);
  }
}

function isYes(answer: Answer): boolean {
  return answer.kind === 'answered' && answer.status === 200;
}

/** One request on a connection of its own, which the answer ends (HTTP/1.0, RFC 1945, section 6). Never rejects. */
function ask(origin: string, path: string): Promise<Answer> {
  const { hostname, port, host } = new URL(origin);
  return new Promise((done) => {
    let text = '';
    const socket = connect({ host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || '80') });
    const end = (answer: Answer) => {
      clearTimeout(timer);
      socket.destroy();
      done(answer);
    };
    const timer = setTimeout(() => end({ kind: 'none', why: `no answer within ${timeoutMs} ms` }), timeoutMs);
    socket.setEncoding('latin1');
    socket.on('connect', () => socket.write(`GET ${path} HTTP/1.0\r\nHost: ${host}\r\n\r\n`));
    socket.on('data', (chunk) => {
      text += chunk;
      if (text.length > maxAnswerLength) end(read(text));
    });
    socket.on('end', () => end(read(text)));
    socket.on('error', (error) => end({ kind: 'none', why: whyNone(error) }));
  });
}

function read(text: string): Answer {
  const [head = '', body = ''] = text.split('\r\n\r\n', 2);
  const status = /^HTTP\/1\.[01] (\d{3})\b/.exec(head)?.[1];
  if (status === undefined) return { kind: 'none', why: 'what answers there does not speak HTTP' };
  return { kind: 'answered', status: Number(status), text: firstLine(body).slice(0, shownLength) };
}

/** Whoever answers may be a stranger: nothing of it moves a cursor or begins a line. */
function firstLine(text: string): string {
  return (text.split('\n')[0] ?? '').replaceAll(/[^\x20-\x7e]/g, '?');
}

function whyNone(error: Error): string {
  const code = 'code' in error ? String(error.code) : 'the connection failed';
  return code === 'ECONNREFUSED' ? 'nobody listens there (ECONNREFUSED)' : code;
}
