/**
 * How the AWS SDK is made to talk: no retries and no time limits of its own making, connections that stay open and
 * overwrite what they have read.
 */
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import type { AwsIdentity } from './identity.ts';

/** More than the engine's own limit on concurrent calls, so that none waits here unseen. */
const maxSockets = 128;
/**
 * How long a connection may be idle, in milliseconds. Node's agent heeds the time that a server announces in Keep-Alive
 * only where it has a longer one of its own (24.21, `keepSocketAlive`); else it reuses what the server is closing.
 */
const idleMs = 60_000;

/** The open connections of one client or of several. Disposing of them closes those that are idle. */
export class AwsConnections implements Disposable {
  readonly #http = wiping(new HttpAgent({ keepAlive: true, maxSockets, timeout: idleMs }));
  readonly #https = wiping(new HttpsAgent({ keepAlive: true, maxSockets, timeout: idleMs }));

  /**
   * Settings for a client of the SDK. Without `throwOnRequestTimeout` a request that is over its time only causes a
   * warning, and without `socketTimeout` an answer that stops half-way is waited for without end.
   */
  settings(timeoutMs: number) {
    return {
      maxAttempts: 1,
      requestHandler: {
        httpAgent: this.#http,
        httpsAgent: this.#https,
        connectionTimeout: timeoutMs,
        requestTimeout: timeoutMs,
        socketTimeout: timeoutMs,
        throwOnRequestTimeout: true,
      },
    };
  }

  [Symbol.dispose](): void {
    this.#http.destroy();
    this.#https.destroy();
  }
}

/**
 * Has an agent's connections overwrite what they have read: answers hold data keys. Node's parser has copied by then what
 * it hands on, since it works while the event is told.
 */
function wiping<A extends HttpAgent>(agent: A): A {
  const create = agent.createConnection;
  agent.createConnection = (...args) => {
    const socket = create.apply(agent, args);
    socket?.on('data', (chunk: unknown) => {
      if (chunk instanceof Uint8Array) process.nextTick(() => chunk.fill(0));
    });
    return socket;
  };
  return agent;
}

/**
 * Credentials for the SDK, taken from `held` for each request anew. The SDK would begin to renew by itself 300 s
 * before they expire, and fail requests when that fails although they are valid. So it is told that they end at once:
 * it keeps none, asks before each request, and reads the time for nothing else.
 */
export function forEachRequest(held: () => AwsIdentity): () => Promise<AwsIdentity> {
  return async () => ({ ...held(), expiration: new Date(0) });
}
