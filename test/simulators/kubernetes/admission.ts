/**
 * The part of an API server that asks webhooks: over TLS, by the name of the Service, trusting what the configuration's
 * `caBundle` was a moment ago, because an API server hears of a change by its watch and not at once. It judges an answer
 * as `k8s.io/apiserver` does (pkg/admission/plugin/webhook/request/admissionreview.go), and fails closed.
 */
import { randomUUID } from 'node:crypto';
import { request } from 'node:https';
import jsonPatch from 'fast-json-patch';
import type { Objects } from './objects.ts';

export interface AdmissionOptions {
  readonly configurations: Objects;
  /** Where the webhook that looks at pods in the end is registered; nobody looks where it is not given. */
  readonly checks?: Objects;
  readonly configuration: string;
  /** The Service's name in the cluster, and where its pods listen on loopback. */
  readonly service: string;
  readonly ports: () => readonly number[];
  /** How late a change of the configuration is heard of, in milliseconds. */
  readonly lagMs?: number;
}

/** An answer to the creation of a pod. */
export type Admission =
  | { readonly kind: 'admitted'; readonly pod: unknown; readonly warnings: readonly string[] }
  /** The webhook said no. */
  | { readonly kind: 'denied'; readonly message: string };

type Path = '/mutate' | '/validate';

interface Answered {
  readonly apiVersion?: string;
  readonly kind?: string;
  readonly response?: {
    readonly uid?: string;
    readonly allowed?: boolean;
    readonly patch?: string;
    readonly patchType?: string;
    readonly status?: { readonly message?: string };
    readonly warnings?: readonly string[];
  };
}

export class AdmissionControl {
  readonly #options: AdmissionOptions;
  readonly #seen: { readonly at: number; readonly bundles: Readonly<Record<Path, string>> }[] = [];
  #next = 0;

  constructor(options: AdmissionOptions) {
    this.#options = options;
    this.look();
  }

  /** Hears what the configuration is now. */
  look(): void {
    const { configurations, checks, configuration } = this.#options;
    const bundles = {
      '/mutate': bundleIn(configurations, configuration),
      '/validate': bundleIn(checks, configuration),
    };
    this.#seen.push({ at: performance.now(), bundles });
  }

  /** Creates a pod. Rejects where there is no answer, or none that counts: the pod is not created then. */
  async create(pod: object, namespace = 'shop'): Promise<Admission> {
    const mutated = await this.#reviewed('/mutate', pod, namespace);
    if (this.#options.checks === undefined || mutated.kind === 'denied') return mutated;
    const checked = await this.#reviewed('/validate', mutated.pod as object, namespace);
    return checked.kind === 'denied' ? checked : mutated;
  }

  async #reviewed(path: Path, pod: object, namespace: string): Promise<Admission> {
    const uid = randomUUID();
    const { status, text } = await this.#ask(path, {
      apiVersion: 'admission.k8s.io/v1',
      kind: 'AdmissionReview',
      request: {
        ...{ uid, namespace, operation: 'CREATE', dryRun: false },
        kind: { group: '', version: 'v1', kind: 'Pod' },
        resource: { group: '', version: 'v1', resource: 'pods' },
        userInfo: { username: 'system:serviceaccount:kube-system:replicaset-controller' },
        object: pod,
        oldObject: null,
      },
    });
    if (status !== 200) throw new Error(`the webhook answered ${status}: ${text}`);
    const { apiVersion, kind, response } = JSON.parse(text) as Answered;
    if (apiVersion !== 'admission.k8s.io/v1' || kind !== 'AdmissionReview' || response?.uid !== uid) {
      throw new Error(`expected an AdmissionReview of this uid: ${text}`);
    }
    const { allowed, patch, patchType, warnings = [] } = response;
    if ((patch === undefined) !== (patchType === undefined)) throw new Error('patch and patchType go together');
    if (warnings.some((warning) => warning.length > 256)) throw new Error('a warning is longer than 256 characters');
    if (allowed !== true) return { kind: 'denied', message: response.status?.message ?? '' };
    if (patch === undefined) return { kind: 'admitted', pod, warnings };
    if (path === '/validate') throw new Error('a webhook that validates gives no patch');
    const steps = JSON.parse(Buffer.from(patch, 'base64').toString('utf8'));
    return { kind: 'admitted', pod: jsonPatch.applyPatch(structuredClone(pod), steps, true).newDocument, warnings };
  }

  #bundle(path: Path): string {
    this.look();
    const { lagMs = 0 } = this.#options;
    const known = this.#seen.findLast(({ at }) => at <= performance.now() - lagMs) ?? this.#seen[0];
    return Buffer.from(known?.bundles[path] ?? '', 'base64').toString('latin1');
  }

  #ask(path: Path, review: object): Promise<{ status: number; text: string }> {
    const { service, ports } = this.#options;
    const all = ports();
    const port = all[this.#next++ % all.length];
    const body = JSON.stringify(review);
    return new Promise((done, fail) => {
      const call = request(
        {
          ...{ host: '127.0.0.1', port, servername: service, path: `${path}?timeout=5s`, method: 'POST', agent: false },
          ...{ ca: this.#bundle(path), minVersion: 'TLSv1.3', timeout: 5000 },
          headers: {
            'content-type': 'application/json',
            accept: 'application/json, */*',
            'content-length': Buffer.byteLength(body),
          },
        },
        (answer) => {
          let text = '';
          answer.on('data', (chunk) => {
            text += chunk;
          });
          answer.on('end', () => done({ status: answer.statusCode ?? 0, text }));
          answer.on('error', fail);
        },
      );
      call.on('error', fail);
      call.end(body);
    });
  }
}

function bundleIn(objects: Objects | undefined, configuration: string): string {
  const { webhooks } = (objects?.get(configuration) ?? { webhooks: [] }) as unknown as {
    webhooks: { clientConfig: { caBundle?: string } }[];
  };
  return webhooks[0]?.clientConfig.caBundle ?? '';
}
