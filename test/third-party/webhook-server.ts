/** A server with one fault, between the API server and the injector. */
import { once } from 'node:events';
import { Agent, createServer, request } from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import { json, text } from 'node:stream/consumers';
import { makeAuthority, type TestAuthority } from '../support/certificates.ts';
import { freePort } from '../support/daemon.ts';
import type { Exchange, Fault, Review } from './webhook-faults.ts';

export interface WebhookServer extends AsyncDisposable {
  /** On 127.0.0.1. */
  readonly port: number;
}

export interface Behind {
  /** The name that the API server expects of the webhook. */
  readonly host: string;
  /** The authority that the API server is told to trust. */
  readonly authority: TestAuthority;
  /** The injector, as `https://127.0.0.1:port`; its certificate is of that authority too. */
  readonly injector: string;
}

/** Starts one; the API server is to reach it as `host`. */
export async function startWebhook({ certificate, answer }: Fault, behind: Behind): Promise<WebhookServer> {
  if (certificate === 'none: nobody listens') return { port: await freePort(), [Symbol.asyncDispose]: async () => {} };
  // Many servers share one injector.
  const agent = new Agent({
    keepAlive: true,
    maxSockets: 16,
    maxFreeSockets: 2,
    ca: behind.authority.ca,
    servername: behind.host,
  });
  const server = createServer(await issued(certificate, behind));
  // As the injector: the API server keeps connections for 90 s, and a request on one that has just been closed fails.
  server.keepAliveTimeout = 120_000;
  server.on('request', (asked, response) => {
    const gone = new AbortController();
    response.once('close', () => gone.abort());
    const question = json(asked) as Exchange['asked'];
    // A fault that cuts the connection does not wait until the question is there.
    question.catch(() => undefined);
    const genuine = async () => forward(await question, { agent, injector: behind.injector, path: asked.url ?? '' });
    answer({ asked: question, genuine, response, gone: gone.signal }).catch(() => response.destroy());
  });
  // Those too whose TLS has not begun, which `closeAllConnections` does not know and `close` waits for.
  const sockets = new Set<Socket>();
  server.on('connection', (socket: Socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async [Symbol.asyncDispose]() {
      agent.destroy();
      for (const socket of sockets) socket.destroy();
      await new Promise((done) => server.close(done));
    },
  };
}

async function issued(certificate: Fault['certificate'], { authority, host }: Behind) {
  switch (certificate) {
    case 'expired':
      return authority.issue({ hosts: [host], notAfter: new Date(Date.now() - 60_000) });
    case "a stranger's":
      return (await makeAuthority()).issue({ hosts: [host] });
    case 'of another name':
      return authority.issue({ hosts: [`other.${host}`] });
    default:
      return authority.issue({ hosts: [host] });
  }
}

interface To {
  readonly agent: Agent;
  readonly injector: string;
  readonly path: string;
}

async function forward(review: unknown, { agent, injector, path }: To): Promise<Review> {
  const headers = { 'content-type': 'application/json' };
  const sent = request(new URL(path, injector), { method: 'POST', agent, headers });
  sent.end(JSON.stringify(review));
  const [response] = await once(sent, 'response');
  if (response.statusCode !== 200) throw new Error(`the injector answered ${response.statusCode}`);
  return JSON.parse(await text(response)) as Review;
}
