/**
 * An API server, as far as an injector speaks to one: `/version`, Secrets and webhooks' configurations, over TLS, for
 * those who show its token and for what their role allows. Faults can be switched on.
 */

import type { IncomingMessage } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import jsonPatch from 'fast-json-patch';
import { makeAuthority } from '../../support/certificates.ts';
import { ApiFailure, type KubernetesObject, Objects } from './objects.ts';
import { validate } from './validation.ts';

/** What happened to one call. */
export interface Served {
  readonly method: string;
  readonly path: string;
  readonly status: number;
}

export interface KubernetesSimulator extends AsyncDisposable {
  readonly host: string;
  readonly port: number;
  /** Who vouches for it, in PEM. */
  readonly ca: string;
  readonly token: string;
  /** The cluster's objects, by `namespace/name` of a Secret and by the name of a configuration. */
  readonly secrets: Objects;
  readonly configurations: Objects;
  /** The ValidatingWebhookConfigurations. */
  readonly checks: Objects;
  /** Every call so far. */
  readonly served: readonly Served[];
  /** What a call fails with, as long as it is set. */
  fault: { readonly status: number } | undefined;
  /** What is refused, `create secrets` say, and with which status: 403 where the role has no such right. */
  readonly refused: Map<string, number>;
}

const verbs: Readonly<Record<string, string>> = { GET: 'get', POST: 'create', PUT: 'update', PATCH: 'patch' };

interface Target {
  readonly resource: string;
  /** Where its objects are kept. */
  readonly kept: 'secrets' | 'configurations' | 'checks';
  readonly namespace?: string | undefined;
  readonly name?: string | undefined;
}

function targetOf(path: string): Target | undefined {
  const secret = /^\/api\/v1\/namespaces\/([^/]+)\/secrets(?:\/([^/]+))?$/.exec(path);
  if (secret !== null) return { resource: 'secrets', kept: 'secrets', namespace: secret[1], name: secret[2] };
  const [, resource, name] =
    /^\/apis\/admissionregistration\.k8s\.io\/v1\/((?:mutat|validat)ingwebhookconfigurations)(?:\/([^/]+))?$/.exec(
      path,
    ) ?? [];
  if (resource === undefined) return undefined;
  return { resource, kept: resource.startsWith('mutat') ? 'configurations' : 'checks', name };
}

/** Starts one on loopback. `minor` is the version that it says it has. */
export async function startKubernetes({
  minor = '33',
}: {
  readonly minor?: string;
} = {}): Promise<KubernetesSimulator> {
  const authority = await makeAuthority();
  const token = `token-${crypto.randomUUID()}`;
  const served: Served[] = [];
  const cluster = {
    secrets: new Objects(validate),
    configurations: new Objects(validate),
    checks: new Objects(validate),
  };

  const answer = async (request: IncomingMessage, method: string, path: string): Promise<[number, unknown]> => {
    if (simulator.fault !== undefined)
      throw new ApiFailure(simulator.fault.status, 'InternalError', 'a fault was switched on');
    if (request.headers.authorization !== `Bearer ${token}`) throw new ApiFailure(401, 'Unauthorized', 'Unauthorized');
    if (path === '/version' && method === 'GET') return [200, { major: '1', minor, gitVersion: `v1.${minor}.0` }];
    const target = targetOf(path);
    if (target === undefined) throw new ApiFailure(404, 'NotFound', 'the server could not find the requested resource');
    const refused = simulator.refused.get(`${verbs[method]} ${target.resource}`);
    if (refused !== undefined) {
      throw new ApiFailure(refused, 'Refused', `cannot ${verbs[method]} resource ${target.resource}`);
    }
    return write({ request, method, target, body: await bodyOf(request), ...cluster });
  };

  const server = createServer(await authority.issue(), (request, response) => {
    const [method, path] = [request.method ?? '', request.url ?? ''];
    answer(request, method, path)
      .catch((error: unknown): [number, unknown] => {
        const failure = error instanceof ApiFailure ? error : new ApiFailure(500, 'InternalError', String(error));
        return [failure.code, failure.status];
      })
      .then(([status, body]) => {
        served.push({ method, path, status });
        response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
      });
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const simulator: KubernetesSimulator = {
    ...cluster,
    ...{ host: '127.0.0.1', port: (server.address() as AddressInfo).port, ca: authority.ca, token, served },
    fault: undefined,
    refused: new Map(),
    [Symbol.asyncDispose]: () =>
      new Promise((done) => {
        server.close(() => done());
        server.closeAllConnections();
      }),
  };
  return simulator;
}

function write(call: {
  readonly request: IncomingMessage;
  readonly method: string;
  readonly target: Target;
  readonly body: string;
  readonly secrets: Objects;
  readonly configurations: Objects;
  readonly checks: Objects;
}): [number, unknown] {
  const { request, method, target, body } = call;
  const objects = call[target.kept];
  const key = [target.namespace, target.name].filter((part) => part !== undefined).join('/');
  const type = request.headers['content-type'];
  switch (`${method} ${target.name === undefined ? 'all' : 'one'}`) {
    case 'GET one':
      return [200, objects.get(key)];
    case 'POST all': {
      const object = parsed(body, type, 'application/json') as KubernetesObject;
      if (object.metadata.namespace !== target.namespace) {
        throw new ApiFailure(400, 'BadRequest', 'the namespace of the object is not that of the request');
      }
      return [201, objects.create(`${key}/${object.metadata.name}`, object)];
    }
    case 'PUT one': {
      const object = parsed(body, type, 'application/json') as KubernetesObject;
      if (object.metadata.name !== target.name) {
        throw new ApiFailure(400, 'BadRequest', 'the name of the object is not that of the URL');
      }
      return [200, objects.update(key, object)];
    }
    case 'PATCH one':
      return [200, objects.update(key, patched(objects.get(key), parsed(body, type, 'application/json-patch+json')))];
    default:
      throw new ApiFailure(405, 'MethodNotAllowed', 'the server does not allow this method');
  }
}

/** A step that cannot be taken, a test that does not hold among them, is a 422. */
function patched(object: KubernetesObject, steps: unknown): KubernetesObject {
  try {
    return jsonPatch.applyPatch(object, steps as never, true).newDocument;
  } catch (error) {
    throw new ApiFailure(422, 'Invalid', error instanceof Error ? error.name : 'the patch cannot be applied');
  }
}

function parsed(body: string, type: string | undefined, wanted: string): unknown {
  if (type !== wanted) throw new ApiFailure(415, 'UnsupportedMediaType', `the body must be ${wanted}`);
  try {
    return JSON.parse(body);
  } catch {
    throw new ApiFailure(400, 'BadRequest', 'the body is no JSON');
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk);
  return Buffer.concat(chunks).toString('utf8');
}
