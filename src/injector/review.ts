/**
 * AdmissionReview v1 (https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/): the API
 * server's question about an object, and the answer to it.
 */
import type { Decision } from './inject.ts';
import { at, objectIn, textAt } from './json.ts';

/** A question that can be answered. */
export interface Review {
  readonly uid: string;
  readonly namespace: string;
  /** Its name, or the beginning of the name that it will get. */
  readonly name: string;
  readonly subject:
    | { readonly kind: 'new pod'; readonly pod: unknown }
    /** A webhook registered for more than the creation of pods. */
    | { readonly kind: 'other'; readonly what: string };
}

/** Longest warning that the API server takes without cutting it, in characters. */
const longestWarning = 256;

/** The question in a request's body. Throws an Error that says what is wrong with it; it shows nothing of the body. */
export function parseReview(body: Buffer): Review {
  const document = parsed(body);
  const [kind, version] = [textAt(document, 'kind'), textAt(document, 'apiVersion')];
  if (kind !== 'AdmissionReview' || version !== 'admission.k8s.io/v1') {
    throw new Error('the body must be an AdmissionReview of admission.k8s.io/v1');
  }
  const request = objectIn(at(document, 'request'));
  const uid = textAt(request, 'uid');
  if (request === undefined || uid === '') throw new Error('the AdmissionReview must have a request with a uid');
  const pod = at(request, 'object');
  return {
    uid,
    namespace: textAt(request, 'namespace'),
    name: textAt(request, 'name') || textAt(pod, 'metadata', 'name') || textAt(pod, 'metadata', 'generateName'),
    subject: subjectOf(request, pod),
  };
}

function subjectOf(request: object, pod: unknown): Review['subject'] {
  const { kind, subResource, operation } = {
    kind: [textAt(request, 'kind', 'group'), textAt(request, 'kind', 'version'), textAt(request, 'kind', 'kind')],
    subResource: textAt(request, 'subResource'),
    operation: textAt(request, 'operation'),
  };
  const isPod = kind.join('/') === '/v1/Pod' && subResource === '' && operation === 'CREATE';
  if (isPod && objectIn(pod) !== undefined) return { kind: 'new pod', pod };
  return { kind: 'other', what: `${operation} of ${kind[2]}${subResource === '' ? '' : `/${subResource}`}` };
}

function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw new Error('the body must be JSON');
  }
}

/** The answer, as the API server wants it. */
export function answerTo({ uid }: Review, decision: Decision): object {
  const warnings = decision.warnings.map((text) => cut(text));
  return {
    apiVersion: 'admission.k8s.io/v1',
    kind: 'AdmissionReview',
    response: { uid, ...verdict(decision), ...(warnings.length > 0 && { warnings }) },
  };
}

function verdict(decision: Decision): object {
  switch (decision.kind) {
    case 'unchanged':
      return { allowed: true };
    case 'injected':
      return {
        allowed: true,
        patchType: 'JSONPatch',
        patch: Buffer.from(JSON.stringify(decision.patch)).toString('base64'),
      };
    case 'refused':
      return { allowed: false, status: { code: 403, reason: 'Forbidden', message: decision.message } };
  }
}

function cut(text: string): string {
  return text.length <= longestWarning ? text : `${text.slice(0, longestWarning - 1)}…`;
}
