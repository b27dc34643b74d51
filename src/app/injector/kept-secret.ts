/**
 * The Secret in which the replicas keep their certificates. Whoever writes says which version they have read, and the API
 * server refuses all but the first of several (optimistic concurrency, resourceVersion): so they agree.
 */
import { type ApiServer, unexpected } from './api-server.ts';
import type { Issued } from './authority.ts';
import { type KeyRing, withoutBadParts } from './key-ring.ts';

/** What was read, for the write that follows. */
export interface KeptSecret {
  /** The Secret as the API server has it; undefined where there is none. */
  readonly object: Readonly<Record<string, unknown>> | undefined;
  /** What is kept in it, as far as it is of use; undefined where it holds something else, or nothing. */
  readonly ring: KeyRing | undefined;
}

export interface SecretPlace {
  readonly namespace: string;
  readonly name: string;
}

const fields = {
  current: { cert: 'ca.crt', key: 'ca.key' },
  next: { cert: 'next-ca.crt', key: 'next-ca.key' },
  leaf: { cert: 'tls.crt', key: 'tls.key' },
} as const;
const previousField = 'previous-ca.crt';

/** Reads it. Rejects where the API server does not answer, or does not let the injector. */
export async function readSecret(api: ApiServer, { namespace, name }: SecretPlace): Promise<KeptSecret> {
  const path = `/api/v1/namespaces/${namespace}/secrets/${name}`;
  const call = { method: 'GET', path } as const;
  const { status, body } = await api.call(call);
  if (status === 404) return { object: undefined, ring: undefined };
  if (status !== 200) throw unexpected(call, status);
  const object = body as Readonly<Record<string, unknown>>;
  return { object, ring: ringIn(object['data']) };
}

/** Writes `ring` over what was read. Whether it did: not where somebody else was first. */
export async function writeSecret(
  api: ApiServer,
  { namespace, name }: SecretPlace,
  { read, ring }: { readonly read: KeptSecret; readonly ring: KeyRing },
): Promise<boolean> {
  const folder = `/api/v1/namespaces/${namespace}/secrets`;
  const fresh = { apiVersion: 'v1', kind: 'Secret', type: 'Opaque', metadata: { namespace, name } };
  const body = { ...(read.object ?? fresh), data: dataOf(ring) };
  const call =
    read.object === undefined
      ? ({ method: 'POST', path: folder, body } as const)
      : ({ method: 'PUT', path: `${folder}/${name}`, body } as const);
  const { status } = await api.call(call);
  if (status === 409) return false;
  if (status === 200 || status === 201) return true;
  throw unexpected(call, status, remedyOf(read, status));
}

function remedyOf({ object }: KeptSecret, status: number): string {
  if (object === undefined) return status === 403 ? ', or an empty Secret has to be there' : '';
  return object['immutable'] === true ? '; it is immutable: delete it, and make an empty one that is not' : '';
}

function dataOf(ring: KeyRing): Record<string, string> {
  const pairs = Object.entries(fields).flatMap(([part, names]) => {
    const issued = ring[part as keyof typeof fields];
    return issued === undefined
      ? []
      : [
          [names.cert, Buffer.from(issued.cert).toString('base64')],
          [names.key, issued.key.toString('base64')],
        ];
  });
  const previous = ring.previous === undefined ? [] : [[previousField, Buffer.from(ring.previous).toString('base64')]];
  return Object.fromEntries([...pairs, ...previous]);
}

function ringIn(data: unknown): KeyRing | undefined {
  const bytes = (name: string): Buffer | undefined => {
    const text = typeof data === 'object' && data !== null ? (data as Record<string, unknown>)[name] : undefined;
    return typeof text === 'string' && text !== '' ? Buffer.from(text, 'base64') : undefined;
  };
  const issued = ({ cert, key }: { cert: string; key: string }): Issued | undefined => {
    const [certBytes, keyBytes] = [bytes(cert), bytes(key)];
    return certBytes && keyBytes && { cert: certBytes.toString('latin1'), key: keyBytes };
  };
  const [current, next, leaf] = [issued(fields.current), issued(fields.next), issued(fields.leaf)];
  if (current === undefined || leaf === undefined) return undefined;
  const previous = bytes(previousField)?.toString('latin1');
  return withoutBadParts({ current, leaf, ...(next && { next }), ...(previous !== undefined && { previous }) });
}
