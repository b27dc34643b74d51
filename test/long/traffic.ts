/**
 * Calls as a fleet of applications makes them: many tenants, new data and old, messages and keys, and now and then
 * something that has to fail. Keeps the last few results of each place, so that old data is neither made up nor hoarded.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { type ServiceError, status } from '@grpc/grpc-js';
import type { KeyProxyClient } from '../support/client.ts';
import { toldBy } from '../support/client-errors.ts';

/** The outcomes of a call: it ended as it was due to, or otherwise. */
export const [asDue, unexpected] = [0, 1] as const;

export interface Traffic {
  /** Makes one call of the mix; resolves with its outcome. */
  call(): Promise<number>;
  /** How many calls of each kind there were. */
  readonly calls: ReadonlyMap<string, number>;
  /** The ends that were not due, by kind and reason. */
  readonly surprises: ReadonlyMap<string, number>;
}

export interface TrafficOptions {
  readonly client: KeyProxyClient;
  /** Tenants whose calls succeed. */
  readonly tenants: readonly string[];
  /** One whose key is disabled. */
  readonly refused: string;
}

/** A tenant and a purpose, which have a root key of their own, and the latest of what was made there. */
interface Place {
  readonly request: { readonly tenant_id: string; readonly encryption_context: Readonly<Record<string, string>> };
  readonly ciphertexts: Buffer[];
  readonly wrapped: Buffer[];
}

interface Kind {
  readonly name: string;
  /** In how many of a hundred calls or so. */
  readonly weight: number;
  readonly run: (place: Place) => Promise<unknown>;
}

/** Purposes of each tenant, and how many results of each place are kept. */
const [purposes, kept] = [3, 20];
/** The longest message, in bytes. */
const longest = 4096;

/** Calls of a fleet that has nothing to read yet: the first calls of a place make something. */
export function trafficOf(options: TrafficOptions): Traffic {
  const places = options.tenants.flatMap((tenant_id) =>
    Array.from({ length: purposes }, (_, index): Place => {
      const encryption_context = { purpose: `purpose-${index}` };
      return { request: { tenant_id, encryption_context }, ciphertexts: [], wrapped: [] };
    }),
  );
  const deck = kindsOf(options).flatMap((kind) => Array<Kind>(kind.weight).fill(kind));
  const calls = new Map<string, number>();
  const surprises = new Map<string, number>();
  return {
    calls,
    surprises,
    async call() {
      const { name, run } = pick(deck);
      count(calls, name);
      try {
        await run(pick(places));
        return asDue;
      } catch (error) {
        count(surprises, `${name}: ${nameOf(error)}`);
        return unexpected;
      }
    },
  };
}

function kindsOf({ client, refused }: TrafficOptions): Kind[] {
  const message = () => ({ plaintext: randomBytes(randomInt(1, longest)) });
  const encrypt = async ({ request, ciphertexts }: Place) => {
    const { ciphertext } = await client.call<{ ciphertext: Buffer }>('Encrypt', { ...request, ...message() });
    keep(ciphertexts, ciphertext);
  };
  const generate = async ({ request, wrapped }: Place) => {
    keep(wrapped, (await client.call<{ wrapped_dek: Buffer }>('GenerateDEK', request)).wrapped_dek);
  };
  const fails = async (code: status, ...call: Parameters<KeyProxyClient['error']>) => {
    const error = await client.error(...call);
    if (error.code !== code) throw error;
  };
  return [
    { name: 'Encrypt', weight: 40, run: encrypt },
    { name: 'GenerateDEK', weight: 12, run: generate },
    {
      ...{ name: 'Decrypt', weight: 30 },
      run: (place) => {
        if (place.ciphertexts.length === 0) return encrypt(place);
        return client.call('Decrypt', { ...place.request, ciphertext: pick(place.ciphertexts) });
      },
    },
    {
      ...{ name: 'Unwrap', weight: 12 },
      run: (place) => {
        if (place.wrapped.length === 0) return generate(place);
        return client.call('Unwrap', { ...place.request, wrapped_dek: pick(place.wrapped) });
      },
    },
    {
      ...{ name: 'Decrypt of what was changed', weight: 2 },
      run: (place) => {
        if (place.ciphertexts.length === 0) return encrypt(place);
        const ciphertext = pick(place.ciphertexts).map((byte, at, all) => (at === all.length - 1 ? byte ^ 1 : byte));
        return fails(status.INVALID_ARGUMENT, 'Decrypt', { ...place.request, ciphertext });
      },
    },
    {
      ...{ name: 'Encrypt for a customer who says no', weight: 2 },
      run: () => fails(status.FAILED_PRECONDITION, 'Encrypt', { tenant_id: refused, ...message() }),
    },
    {
      ...{ name: 'Encrypt for nobody', weight: 2 },
      run: () => fails(status.NOT_FOUND, 'Encrypt', { tenant_id: 'nobody', ...message() }),
    },
  ];
}

function pick<T>(values: readonly T[]): T {
  const value = values[randomInt(values.length)];
  if (value === undefined) throw new RangeError('there is nothing to pick from');
  return value;
}

/** Puts one result in the place of another, once there are enough. */
function keep(results: Buffer[], result: Buffer): void {
  if (results.length < kept) results.push(result);
  else results[randomInt(kept)] = result;
}

function count(counts: Map<string, number>, name: string): void {
  counts.set(name, (counts.get(name) ?? 0) + 1);
}

/** An end that is no `ServiceError` is a bug of the test. */
function nameOf(error: unknown): string {
  if (!(error instanceof Error) || !('metadata' in error)) throw error;
  const { code, reason, message } = toldBy(error as ServiceError);
  return `${status[code]} ${reason || message}`;
}
