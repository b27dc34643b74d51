/** A KMS plugin on key services in memory and a clock that is moved by hand; kube-apiserver's calls as bytes. */
import { offerToApiServer } from '../../src/app/kms-plugin.ts';
import type { Offered } from '../../src/app/serve.ts';
import type { StateFolder } from '../../src/app/state-folder.ts';
import type { Caller } from '../../src/base/caller.ts';
import { KeyproxyError } from '../../src/base/errors.ts';
import { parseKmsPluginFile } from '../../src/config/kms-plugin-file.ts';
import { Health } from '../../src/rpc/health.ts';
import * as messages from '../../src/rpc/kms-plugin-messages.ts';
import { bytesOf } from '../../src/rpc/reply.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createMetrics, type Metrics } from '../../src/telemetry/metrics.ts';
import { settled, WatchedEngine, type WatchedTenant } from './watched-engine.ts';

const socket: Caller = { kind: 'socket' };

export interface Kept {
  readonly ciphertext: Buffer;
  readonly keyId: string;
  readonly annotations: ReadonlyMap<string, Buffer>;
}

export class KmsScene implements AsyncDisposable {
  readonly engine: WatchedEngine;
  readonly #offered: Offered;
  readonly #stack: AsyncDisposableStack;

  readonly #metrics: Pick<Metrics, 'registry'>;

  private constructor(
    parts: { offered: Offered; engine: WatchedEngine; metrics: Pick<Metrics, 'registry'> },
    stack: AsyncDisposableStack,
  ) {
    this.#offered = parts.offered;
    this.engine = parts.engine;
    this.#metrics = parts.metrics;
    this.#stack = stack;
  }

  /** A node that serves `tenant`; `files` is the state of an earlier one, `more` goes into the plugin's file. */
  static async start(
    tenant: WatchedTenant,
    { files = new Map(), more = '' }: { readonly files?: Map<string, string>; readonly more?: string } = {},
  ): Promise<KmsScene> {
    await using stack = new AsyncDisposableStack();
    const { config, problems } = parseKmsPluginFile(`listen: s\ntenant: t\nstate: d\n${more}`, '/kms-plugin.yaml');
    if (config === undefined) throw new Error(JSON.stringify(problems));
    const metrics = createMetrics({
      cacheEntries: () => 0,
      credentialExpiries: () => [],
      auditEntries: () => ({ written: 0, refused: 0, lost: 0 }),
      openCircuits: () => [],
    });
    const engine = new WatchedEngine();
    stack.defer(() => engine.tenants[Symbol.asyncDispose]());
    const offered = await offerToApiServer(config)({
      ...{ engine: engine.engine, cache: engine.cache, config: config.daemon, health: new Health([]) },
      state: { folder: memoryFolder(files), refusals: [] },
      ...{ metrics, log: createLog('silent') },
    });
    stack.use(offered);
    engine.watch(tenant);
    const scene = new KmsScene({ offered, engine, metrics }, stack.move());
    offered.open();
    await settled();
    return scene;
  }

  /** The tenant's file names other keys from now on. */
  async serve(tenant: WatchedTenant): Promise<void> {
    this.engine.watch(tenant);
    this.#offered.served();
    await this.pass(100);
  }

  pass(ms: number): Promise<void> {
    return this.engine.pass(ms);
  }

  /** The line of a metric without labels. */
  async metric(name: string): Promise<string | undefined> {
    return (await this.#metrics.registry.metrics()).split('\n').find((line) => line.startsWith(`${name} `));
  }

  async status() {
    return messages.statusResponse.decode(await this.#call('Status', Buffer.alloc(0)));
  }

  /** `signal` is the caller's patience. */
  async encrypt(plaintext: Buffer, signal?: AbortSignal): Promise<Kept> {
    return messages.encryptResponse.decode(
      await this.#call('Encrypt', messages.encryptRequest.encode({ plaintext, uid: 'u-1' }), signal),
    );
  }

  async decrypt(kept: Kept): Promise<Buffer> {
    const { plaintext } = messages.decryptResponse.decode(
      await this.#call('Decrypt', messages.decryptRequest.encode({ ...kept, uid: 'u-1' })),
    );
    return plaintext;
  }

  /** The reason that a call ends with. */
  async reason(call: Promise<unknown>): Promise<string> {
    return await call.then(
      () => 'none',
      (error: unknown) => KeyproxyError.from(error).reason,
    );
  }

  async #call(name: string, request: Buffer, signal = new AbortController().signal): Promise<Buffer> {
    const method = this.#offered.methods.find((each) => each.name === name);
    if (method?.kind !== 'unary') throw new Error(`there is no method ${name}`);
    const { handle } = method;
    const answer = this.engine.during(handle(socket, request, signal));
    return bytesOf(await answer);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#stack.disposeAsync();
  }
}

/** A folder whose files are here, so that nothing waits for a disk while the clock is moved. */
function memoryFolder(files: Map<string, string>): StateFolder {
  const folder: Pick<StateFolder, 'path' | 'read' | 'write'> = {
    path: 'memory',
    read: async (name) => files.get(name),
    write: async (name, text) => void files.set(name, text),
  };
  // The plugin reads and writes, and does nothing else with it.
  return folder as StateFolder;
}
