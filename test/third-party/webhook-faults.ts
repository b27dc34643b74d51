/** Everything that an admission webhook can do wrong, as servers that stand in front of the injector. */
import type { ServerResponse } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';
import type { KubernetesObject } from './kubernetes-client.ts';

/** An answer of AdmissionReview v1, as far as faults touch it. */
export interface Review {
  readonly apiVersion: string;
  readonly kind: string;
  readonly response: Readonly<Record<string, unknown>> & { readonly uid?: string };
}

/** One question of the API server. */
export interface Exchange {
  /** The question. */
  readonly asked: Promise<{ readonly request: { readonly uid: string; readonly object: KubernetesObject } }>;
  /** What the injector answers it. */
  genuine(): Promise<Review>;
  /** To be answered on, or not. */
  readonly response: ServerResponse;
  /** Aborted when the API server has gone. */
  readonly gone: AbortSignal;
}

/** What the server's certificate is like, and how it answers. */
export interface Fault {
  readonly certificate: 'good' | 'expired' | "a stranger's" | 'of another name' | 'none: nobody listens';
  answer(exchange: Exchange): Promise<void>;
}

/** A webhook of somebody else, which adds what `patch` (RFC 6902) says for a pod. */
export function webhookOfOthers(patch: (pod: KubernetesObject) => readonly object[]): Fault {
  return {
    certificate: 'good',
    async answer({ asked, response }) {
      const { uid, object } = (await asked).request;
      const answer = { uid, allowed: true, patchType: 'JSONPatch', patch: base64(patch(object)) };
      send(response, JSON.stringify({ apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', response: answer }));
    },
  };
}

/** A server that answers as the injector does, with changes. */
function answering(change: (review: Review) => unknown): Fault {
  return {
    certificate: 'good',
    async answer({ genuine, response }) {
      send(response, JSON.stringify(change(await genuine())));
    },
  };
}

function changed(fields: Readonly<Record<string, unknown>>): Fault {
  return answering((review) => ({ ...review, response: { ...review.response, ...fields } }));
}

function patching(patch: unknown): Fault {
  return changed({ patchType: 'JSONPatch', patch: base64(patch) });
}

function saying(status: number, body: string, headers: Readonly<Record<string, string>> = {}): Fault {
  return {
    certificate: 'good',
    async answer({ response }) {
      response.writeHead(status, headers).end(body);
    },
  };
}

const faithful = answering((review) => review);

function base64(patch: unknown): string {
  return Buffer.from(JSON.stringify(patch)).toString('base64');
}

function send(response: ServerResponse, body: string): void {
  response.writeHead(200, { 'content-type': 'application/json' }).end(body);
}

/** By name; the first is none, and the last is no fault that an API server could notice. */
export const faults = {
  'no fault': faithful,
  'no answer': {
    certificate: 'good',
    answer: ({ gone }) => new Promise((done) => gone.addEventListener('abort', () => done())),
  },
  'an answer byte by byte, too slowly': {
    certificate: 'good',
    async answer({ genuine, response, gone }) {
      response.writeHead(200, { 'content-type': 'application/json' });
      for (const byte of JSON.stringify(await genuine())) {
        response.write(byte);
        await pause(500);
        if (gone.aborted) return;
      }
    },
  },
  'connection cut': {
    certificate: 'good',
    async answer({ response }) {
      response.destroy();
    },
  },
  'cut in the middle of the answer': {
    certificate: 'good',
    async answer({ genuine, response }) {
      const body = JSON.stringify(await genuine());
      response.writeHead(200, { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) });
      response.write(body.slice(0, body.length / 2), () => response.destroy());
    },
  },
  'HTTP 500': saying(500, '{}'),
  'HTTP 302': saying(302, '', { location: 'https://localhost:1/mutate' }),
  'HTTP 200 without a body': saying(200, ''),
  garbage: saying(200, '\u0000\u0001not JSON'),
  'another version of the answer': answering((review) => ({ ...review, apiVersion: 'admission.k8s.io/v1beta1' })),
  'no response in the answer': answering(({ apiVersion, kind }) => ({ apiVersion, kind })),
  'wrong uid': changed({ uid: '00000000-0000-0000-0000-000000000000' }),
  'no uid': changed({ uid: undefined }),
  'patch without patchType': changed({ patchType: undefined }),
  'patchType without patch': changed({ patch: undefined }),
  'patch of another type': changed({ patchType: 'MergePatch' }),
  'patch that is not base64': changed({ patch: '***' }),
  'patch that is not JSON': changed({ patch: Buffer.from('add a sidecar, please').toString('base64') }),
  'patch to a place that is not there': patching([{ op: 'add', path: '/spec/nowhere/-', value: {} }]),
  'patch that makes no pod': patching([{ op: 'add', path: '/spec/initContainers', value: [{ name: 'keyproxy' }] }]),
  'expired certificate': { ...faithful, certificate: 'expired' },
  'certificate of another authority': { ...faithful, certificate: "a stranger's" },
  'certificate of another name': { ...faithful, certificate: 'of another name' },
  'nobody listens': { ...faithful, certificate: 'none: nobody listens' },
  'a lie: allowed, and no patch': changed({ patch: undefined, patchType: undefined }),
  'a lie in both: allowed, whatever it is': changed({ allowed: true, patch: undefined, patchType: undefined }),
} as const satisfies Readonly<Record<string, Fault>>;

export type FaultName = keyof typeof faults;

/** All names, in the order of the table. */
export const faultNames = Object.keys(faults) as FaultName[];
