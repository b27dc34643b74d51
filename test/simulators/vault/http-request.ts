/** Reads an HTTP request as the server does: path, namespace, operation, token, JSON. Source: OpenBao `http/logical.go`. */
import { refusal } from './errors.ts';
import { goTypeOf } from './fields.ts';
import type { Operation } from './logical.ts';

export interface HttpRequest {
  readonly method: string;
  /** Path and query, as on the wire. */
  readonly target: string;
  readonly headers: Readonly<Record<string, readonly string[] | undefined>>;
  readonly body: Buffer;
  readonly remoteAddress: string;
}

/** A request's path, taken apart. */
export interface ParsedTarget {
  /** Behind `/v1/`; a namespace may be a part of it. */
  readonly path: string;
  readonly query: URLSearchParams;
  readonly operation: Operation;
  /** Empty without the header. */
  readonly namespaceHeader: string;
  /** Set for the two paths that a node answers by itself, sealed or not. */
  readonly nodePath: 'health' | 'seal-status' | undefined;
}

const unreadable = 'error parsing JSON';
const largestBody = 33_554_432;
const nodePaths: Readonly<Record<string, 'health' | 'seal-status'>> = {
  'sys/health': 'health',
  'sys/seal-status': 'seal-status',
};

/** Takes the target apart; throws 404 outside `/v1/`, 405 for a method that no path has. */
export function parseTarget({ method, target, headers }: HttpRequest): ParsedTarget {
  const [rawPath = '', rawQuery = ''] = target.split(/\?(.*)/s);
  if (!rawPath.startsWith('/v1/')) throw refusal('', 404);
  const path = decodePath(rawPath.slice('/v1/'.length));
  if (path.split('/').includes('..')) throw refusal('relative paths not supported');
  const query = new URLSearchParams(rawQuery);
  const operation = operationOf(method, query);
  const slashed = operation === 'list' && !path.endsWith('/') ? `${path}/` : path;
  const namespaceHeader = headers['x-vault-namespace']?.[0] ?? '';
  return { path: slashed, query, operation, namespaceHeader, nodePath: nodePaths[path] };
}

function decodePath(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    throw refusal('', 400);
  }
}

function operationOf(method: string, query: URLSearchParams): Operation {
  switch (method) {
    case 'GET':
      return /^(?:1|t|true)$/i.test(query.get('list') ?? '') ? 'list' : 'read';
    case 'LIST':
      return 'list';
    case 'POST':
    case 'PUT':
      return 'update';
    case 'DELETE':
      return 'delete';
    case 'HEAD':
    case 'PATCH':
    case 'OPTIONS':
      return 'other';
    default:
      throw refusal('', 405);
  }
}

/** The token of either header. */
export function tokenIn({ headers }: HttpRequest): string | undefined {
  const own = headers['x-vault-token']?.[0];
  if (own !== undefined && own !== '') return own;
  return headers['authorization']
    ?.find((value) => value.startsWith('Bearer '))
    ?.slice('Bearer '.length)
    .trim();
}

/** The fields of a write's body, or of another request's query. */
export function parseBody(
  { body }: Pick<HttpRequest, 'body'>,
  { operation, query }: ParsedTarget,
): Readonly<Record<string, unknown>> {
  if (operation !== 'update') return Object.fromEntries([...query].filter(([name]) => name !== 'list'));
  if (body.length > largestBody) throw refusal(unreadable, 413);
  if (body.length === 0) return {};
  let value: unknown;
  try {
    value = JSON.parse(body.toString('utf8'));
  } catch {
    throw refusal(unreadable);
  }
  if (value === null) return {};
  if (goTypeOf(value) !== 'map[string]interface {}') throw refusal(unreadable);
  return value as Record<string, unknown>;
}
