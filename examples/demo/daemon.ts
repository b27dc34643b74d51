/** The daemon of the demo: a real process in a folder of its own, started, asked for its figures, and stopped. */
import { type ChildProcess, spawn } from 'node:child_process';
import { createServer } from 'node:net';
import { join, resolve } from 'node:path';

const mainFile = resolve(import.meta.dirname, '../../src/main.ts');

/** Exit code of a daemon that could not have an address: somebody took the port since it was found free. */
const addressTaken = 71;

/** Longest wait for the daemon to be ready, in milliseconds. */
const startMs = 10_000;

export class Daemon implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;
  readonly #http: string;
  #output = '';

  /** gRPC target of its Unix socket. */
  readonly target: string;

  private constructor(folder: string, ports: { tcp: number; http: number }) {
    this.target = `unix:${join(folder, '.keyproxy-dev/keyproxy.sock')}`;
    this.#http = `127.0.0.1:${ports.http}`;
    this.#child = spawn(process.execPath, [mainFile, 'serve', '--dev'], {
      cwd: folder,
      // Nothing of this shell reaches it: no KEYPROXY_ variable, no credentials, no NODE_ENV.
      env: {
        PATH: process.env['PATH'],
        KEYPROXY_LISTEN_TCP: `127.0.0.1:${ports.tcp}`,
        KEYPROXY_HTTP_ADDRESS: this.#http,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    for (const stream of [this.#child.stdout, this.#child.stderr]) {
      stream?.on('data', (chunk) => {
        this.#output += chunk;
      });
    }
    this.#exited = new Promise((done, fail) => {
      this.#child.once('error', fail);
      this.#child.once('exit', done);
    });
    // Whoever waits for the exit sees the error; until then it is nobody's.
    this.#exited.catch(() => {});
  }

  /**
   * Starts the daemon in `folder` and waits until it is ready. `onSpawn` gets it before that, so that it can be ended
   * at any time. Throws with its output where it does not come up.
   */
  static async start(folder: string, onSpawn: (daemon: Daemon) => void): Promise<Daemon> {
    for (let attempt = 1; ; attempt++) {
      const [tcp, http] = await freePorts();
      const daemon = new Daemon(folder, { tcp, http });
      onSpawn(daemon);
      const code = await daemon.#untilReady();
      if (code === 'ready') return daemon;
      if (code !== addressTaken || attempt === 3) {
        throw new Error(`the daemon ended at its start with code ${code}:\n${daemon.#output}`);
      }
    }
  }

  /** The text of `/metrics`. */
  async metrics(): Promise<string> {
    const answer = await fetch(`http://${this.#http}/metrics`);
    if (!answer.ok) throw new Error(`/metrics answered ${answer.status}`);
    return answer.text();
  }

  /** Asks the daemon to end and waits for its exit code; null where a signal killed it. */
  stop(): Promise<number | null> {
    this.#child.kill('SIGTERM');
    return this.#exited;
  }

  async #untilReady(): Promise<'ready' | number | null> {
    const deadline = Date.now() + startMs;
    while (Date.now() < deadline) {
      if (await this.#isReady()) return 'ready';
      const code = await Promise.race([this.#exited, pause(20)]);
      if (code !== 'paused') return code;
    }
    throw new Error(`the daemon was not ready after ${startMs / 1000} s:\n${this.#output}`);
  }

  #isReady(): Promise<boolean> {
    return fetch(`http://${this.#http}/readyz`).then(
      (answer) => answer.ok,
      () => false,
    );
  }

  /** Ends it at once, if it still runs. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#child.kill('SIGKILL');
    await this.#exited.catch(() => {});
  }
}

function pause(milliseconds: number): Promise<'paused'> {
  return new Promise((done) => setTimeout(done, milliseconds, 'paused'));
}

/** Two loopback ports that were free a moment ago; both are held until both are known, so they differ. */
async function freePorts(): Promise<[number, number]> {
  const [first, second] = [createServer(), createServer()];
  const ports: [number, number] = [await listen(first), await listen(second)];
  await Promise.all([first, second].map((server) => new Promise((done) => server.close(done))));
  return ports;
}

async function listen(server: ReturnType<typeof createServer>): Promise<number> {
  await new Promise<void>((done, fail) => {
    server.once('error', fail);
    server.listen(0, '127.0.0.1', done);
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the system gave no port');
  return address.port;
}
