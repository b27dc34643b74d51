/** One request of the API server, from its body to the answer, with its line in the log and what it is for the metrics. */
import { checkBinding, checkChanged, checkNew } from '../../injector/check.ts';
import { type Decision, decide } from '../../injector/inject.ts';
import { answerTo, parseReview, type Review } from '../../injector/review.ts';
import type { SidecarSettings } from '../../injector/settings.ts';
import type { InjectorOutcome } from '../../telemetry/injector-metrics.ts';
import type { Log } from '../../telemetry/log.ts';
import type { SparingLog } from '../../telemetry/sparing-log.ts';

/** An answer by HTTP, and what became of its request. */
export interface Answer {
  readonly status: number;
  readonly body: object;
  readonly outcome: InjectorOutcome;
}

export interface ReviewOptions {
  /** What pods get, as it is now. */
  readonly settings: () => SidecarSettings;
  readonly log: Log;
  /** For lines that anybody in the cluster can have written. */
  readonly sparing: SparingLog;
}

/** Where reviews are sent: `/mutate` changes new pods, `/validate` looks at what has become of them. */
export const webhookPaths = ['/mutate', '/validate'] as const;

export type WebhookPath = (typeof webhookPaths)[number];

/**
 * Answers a body that was sent to `path`. Never throws: what it cannot read is a 400, by which an API server that must not
 * fail open refuses.
 */
export function answerReview(path: WebhookPath, body: Buffer, { settings, log, sparing }: ReviewOptions): Answer {
  const review = reviewIn(body);
  if (review instanceof Error) {
    sparing.tell('no review', (leftOut) =>
      log.warn({ problem: review.message, left_out: leftOut }, 'a request was no review'),
    );
    return failure(400, review.message);
  }
  const decision = deciders[path](review, settings());
  tell(review, decision, log);
  return { status: 200, body: answerTo(review, decision), outcome: decision.kind };
}

/** Of the refusals that have no review in them (k8s.io/apimachinery/pkg/apis/meta/v1, StatusReason). */
const reasons = {
  400: 'BadRequest',
  404: 'NotFound',
  405: 'MethodNotAllowed',
  413: 'RequestEntityTooLarge',
  415: 'UnsupportedMediaType',
  500: 'InternalError',
  503: 'ServiceUnavailable',
} as const;

/**
 * An answer that is no review, as a Status: of anything else an API server tells the pod's owner no more than "the server
 * rejected our request for an unknown reason".
 */
export function failure(status: keyof typeof reasons, message: string): Answer {
  const reason = reasons[status];
  const body = { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: status, reason, message };
  return { status, body, outcome: status < 500 ? 'unread' : 'failed' };
}

function reviewIn(body: Buffer): Review | Error {
  try {
    return parseReview(body);
  } catch (error) {
    return error instanceof Error ? error : new Error('the body cannot be read');
  }
}

const deciders: Readonly<Record<WebhookPath, (review: Review, settings: SidecarSettings) => Decision>> = {
  '/mutate': ({ subject, what }, settings) =>
    subject.kind === 'new pod'
      ? decide(subject.pod, settings)
      : notMeant(`is for the creation of pods, and was asked about ${what}`, 'MutatingWebhookConfiguration'),
  '/validate': ({ subject, what }, settings) => {
    if (subject.kind === 'new pod') return checkNew(subject.pod, settings);
    if (subject.kind === 'changed pod') return checkChanged(subject, settings);
    if (subject.kind === 'binding') return checkBinding(subject.binding);
    return notMeant(`is for pods, and was asked about ${what}`, 'ValidatingWebhookConfiguration');
  },
};

function notMeant(why: string, registration: string): Decision {
  const message = `keyproxy's webhook ${why}; correct the rules of its ${registration}`;
  return { kind: 'refused', message, warnings: [] };
}

function tell({ uid, namespace, name }: Review, decision: Decision, log: Log): void {
  const pod = { uid, namespace, name, warnings: decision.warnings };
  switch (decision.kind) {
    case 'injected':
      log.info(pod, 'a pod got keyproxy');
      return;
    case 'unchanged':
      log.debug(pod, 'a pod was left as it is');
      return;
    case 'refused':
      log.warn({ ...pod, reason: decision.message }, 'a pod was refused');
      return;
  }
}
