/** What the head of a request says of a call (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). */
import type { RequestHead } from '../../h2/request.ts';

/** How messages are compressed. */
export type Encoding = 'identity' | 'gzip';

/** A call's head, read. */
export type CallHead =
  | {
      readonly kind: 'call';
      /** From the call's start, in milliseconds; undefined for no deadline. */
      readonly timeoutMs: number | undefined;
      readonly encoding: Encoding;
      readonly acceptsGzip: boolean;
    }
  /** No gRPC call: the answer's HTTP status. */
  | { readonly kind: 'not grpc'; readonly status: '405' | '415' }
  | { readonly kind: 'unknown encoding' }
  | { readonly kind: 'malformed'; readonly what: string };

const heads = new WeakMap<RequestHead, CallHead>();

/** Reads a head; the same one, as an object, is read once. */
export function callHead(head: RequestHead): CallHead {
  let call = heads.get(head);
  if (call === undefined) {
    call = readHead(head);
    heads.set(head, call);
  }
  return call;
}

function readHead({ method, fields }: RequestHead): CallHead {
  const field = (name: string) => fields.find((each) => each.name === name)?.value;
  if (method !== 'POST') return { kind: 'not grpc', status: '405' };
  if (!/^application\/grpc(?:$|[+;])/.test(field('content-type') ?? '')) return { kind: 'not grpc', status: '415' };
  const encoding = field('grpc-encoding') ?? 'identity';
  if (encoding !== 'identity' && encoding !== 'gzip') return { kind: 'unknown encoding' };
  const timeout = field('grpc-timeout');
  const timeoutMs = timeout === undefined ? undefined : milliseconds(timeout);
  if (Number.isNaN(timeoutMs)) {
    return { kind: 'malformed', what: 'grpc-timeout is not 1 to 8 digits and one of H, M, S, m, u, n' };
  }
  const accepted = (field('grpc-accept-encoding') ?? '').split(',').map((each) => each.trim());
  return { kind: 'call', timeoutMs, encoding, acceptsGzip: accepted.includes('gzip') };
}

/** Milliseconds of a unit of `grpc-timeout`. */
const units: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 };

function milliseconds(timeout: string): number {
  const [, digits, unit] = /^(\d{1,8})([HMSmun])$/.exec(timeout) ?? [];
  return digits === undefined || unit === undefined ? Number.NaN : Number(digits) * (units[unit] ?? Number.NaN);
}
