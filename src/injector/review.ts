/**
 * AdmissionReview v1 (https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/): the API
 * server's question about an object, and the answer to it.
 */
import type { Decision } from './inject.ts';
import { at, objectIn, textAt } from './json.ts';
import { cut, named } from './texts.ts';

/** A question that can be answered. */
export interface Review {
  readonly uid: string;
  readonly namespace: string;
  /** Its name, or the beginning of the name that it will get. */
  readonly name: string;
  readonly subject:
    | { readonly kind: 'new pod'; readonly pod: unknown }
    | { readonly kind: 'changed pod'; readonly pod: unknown; readonly before: unknown }
    /** A pod is given to a node, and gets the labels of the binding. */
    | { readonly kind: 'binding'; readonly binding: unknown }
    /** A webhook registered for more than pods. */
    | { readonly kind: 'other' };
  /** What is asked about, `UPDATE of Pod` say. */
  readonly what: string;
}

/** Longest warning that the API server takes without cutting it, in characters. */
const longestWarning = 256;

/** Longest name of an object in Kubernetes, in characters; nothing has checked a new pod's yet. */
const longestName = 253;

/**
 * The most values that are made of one body. An object takes 56 bytes of heap and two of the body, so its length alone
 * bounds nothing; most pods have some hundreds. The API server counts in with `managedFields`, which has most of them
 * again, and what it has set by default.
 */
const mostValues = 50_000;

/** The question in a request's body. Throws an Error that says what is wrong with it; it shows nothing of the body. */
export function parseReview(body: Buffer): Review {
  const document = parsed(body);
  const [kind, version] = [textAt(document, 'kind'), textAt(document, 'apiVersion')];
  if (kind !== 'AdmissionReview' || version !== 'admission.k8s.io/v1') {
    throw new Error('the body must be an AdmissionReview of admission.k8s.io/v1');
  }
  const request = objectIn(at(document, 'request'));
  const uid = textAt(request, 'uid');
  if (request === undefined || uid === '' || uid.length > longestName) {
    throw new Error(`the AdmissionReview must have a request with a uid of at most ${longestName} characters`);
  }
  const pod = at(request, 'object');
  return {
    uid,
    namespace: cut(textAt(request, 'namespace'), longestName),
    name: cut(
      textAt(request, 'name') || textAt(pod, 'metadata', 'name') || textAt(pod, 'metadata', 'generateName'),
      longestName,
    ),
    ...subjectOf(request, pod),
  };
}

function subjectOf(request: object, pod: unknown): Pick<Review, 'subject' | 'what'> {
  const kind = textAt(request, 'kind', 'kind');
  const { type, subResource, operation } = {
    type: [textAt(request, 'kind', 'group'), textAt(request, 'kind', 'version'), kind],
    subResource: textAt(request, 'subResource'),
    operation: textAt(request, 'operation'),
  };
  const what = `${named(operation)} of ${named(kind)}${subResource === '' ? '' : `/${named(subResource)}`}`;
  if (type.join('/') === '/v1/Binding' && operation === 'CREATE') {
    return { what, subject: { kind: 'binding', binding: pod } };
  }
  // Whoever may write a pod's status may change its labels with it.
  const isPod = type.join('/') === '/v1/Pod' && ['', 'status'].includes(subResource) && objectIn(pod) !== undefined;
  if (isPod && operation === 'CREATE') return { what, subject: { kind: 'new pod', pod } };
  if (isPod && operation === 'UPDATE') {
    return { what, subject: { kind: 'changed pod', pod, before: at(request, 'oldObject') } };
  }
  return { what, subject: { kind: 'other' } };
}

function parsed(body: Buffer): unknown {
  if (valuesIn(body) > mostValues) {
    throw new Error(`keyproxy cannot be put into this pod: the review of it must have at most ${mostValues} values`);
  }
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch {
    throw new Error('the body must be JSON');
  }
}

/** The answer, as the API server wants it. */
export function answerTo({ uid }: Review, decision: Decision): object {
  const warnings = decision.warnings.map((text) => cut(text, longestWarning));
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

const [quote, backslash, comma, list, section] = Buffer.from('"\\,[{');

/** How many values JSON has, without making any: one begins behind each comma and each bracket that opens, outside of texts. */
function valuesIn(body: Buffer): number {
  let count = 1;
  for (let at = 0; at < body.length; at++) {
    const character = body[at];
    if (character === comma || character === list || character === section) count++;
    else if (character === quote) at = endOfText(body, at);
  }
  return count;
}

/** Where the text that begins at `start` ends; the end of the body where it does not. */
function endOfText(body: Buffer, start: number): number {
  for (let at = start + 1; at < body.length; at++) {
    if (body[at] === backslash) at++;
    else if (body[at] === quote) return at;
  }
  return body.length;
}
