/**
 * The Secret in which the replicas keep their certificates. Whoever writes says which version they have read, and the API
 * server refuses all but the first of several (optimistic concurrency, resourceVersion): so they agree.
 */
import type { ApiServer } from './api-server.ts';
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
  const { status, body } = await api.call({ method: 'GET', path });
  if (status === 404) return { object: undefined, ring: undefined };
  if (status !== 200) throw new Error(`GET ${path}: the API server answered ${status}; the role needs get on it`);
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
  const { status } =
    read.object === undefined
      ? await api.call({ method: 'POST', path: folder, body })
      : await api.call({ method: 'PUT', path: `${folder}/${name}`, body });
  if (status === 409) return false;
  if (status === 200 || status === 201) return true;
  const [verb, remedy] =
    read.object === undefined ? ['create', ', or an empty Secret has to be there'] : ['update', ''];
  throw new Error(
    `${verb} of the secret ${namespace}/${name}: the API server answered ${status}; the role needs ${verb}${remedy}`,
  );
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
