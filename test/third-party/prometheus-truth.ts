/**
 * What a client knows of its own calls: which of them found their key in the cache, which decryptions failed, how long
 * each data key took. Nothing in here asks the daemon for a figure.
 */
import type { ServiceError } from '@grpc/grpc-js';
import type { KeyProxyClient } from '../support/client.ts';

export class Truth {
  /** Keys asked of the cache that cost no call of their own, and all. */
  readonly cache = { served: 0, all: 0 };
  readonly decryptions = { failed: 0, all: 0 };
  /** Milliseconds of every data key that a key service made, roots included. */
  readonly dekMs: number[] = [];

  /** A call whose key is in the cache. */
  served(): void {
    this.cache.served += 1;
    this.cache.all += 1;
  }

  /** A call whose key is fetched for it. */
  missed(): void {
    this.cache.all += 1;
  }

  /** Runs a call that makes a data key at the key service, and notes its time. */
  async generating<T>(call: () => Promise<T>): Promise<T> {
    const start = performance.now();
    const answer = await call();
    this.dekMs.push(performance.now() - start);
    return answer;
  }

  /** Runs a Decrypt or Unwrap that has to end as said. */
  async decryption(client: KeyProxyClient, method: 'Decrypt' | 'Unwrap', request: object, end: 'ok' | 'failure') {
    const failure = await client.call(method, request).then(
      () => undefined,
      (error: ServiceError) => error,
    );
    this.decryptions.all += 1;
    if (failure !== undefined) this.decryptions.failed += 1;
    if ((failure === undefined) !== (end === 'ok')) {
      throw new Error(`a ${method} was to end with ${end}, and ended with ${failure?.message ?? 'an answer'}`);
    }
  }
}

/** The value below which the part `q` of `values` lies. */
export function quantile(q: number, values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(q * sorted.length) - 1] ?? Number.NaN;
}
