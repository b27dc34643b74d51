/** The registration of the injector's webhook, and how a test's copy of it differs from the chart's. */
import type { KubernetesObject } from './kubernetes-client.ts';

export interface Copy {
  /** Of the copy; the chart's has one name for one release. */
  readonly name: string;
  /** The only namespace that it is asked about. */
  readonly namespace: string;
  /** The port of localhost that answers for the Service. */
  readonly port: number;
  /** The chart's own unless given. */
  readonly failurePolicy?: 'Ignore';
  /** Whom to trust, PEM. */
  readonly ca: string;
}

/** The chart's registration with what a test has to change: where the webhook is, and whom it is asked about. */
export function copyOf(chart: KubernetesObject, { name, namespace, port, failurePolicy, ca }: Copy): KubernetesObject {
  const webhooks = chart['webhooks'].map((webhook: KubernetesObject) => {
    const only = { key: 'kubernetes.io/metadata.name', operator: 'In', values: [namespace] };
    const expressions = [...webhook['namespaceSelector'].matchExpressions, only];
    const { service } = webhook['clientConfig'];
    return {
      ...webhook,
      ...(failurePolicy && { failurePolicy }),
      namespaceSelector: { ...webhook['namespaceSelector'], matchExpressions: expressions },
      clientConfig: { service: { ...service, port }, caBundle: Buffer.from(ca).toString('base64') },
    };
  });
  return { ...chart, metadata: { name }, webhooks };
}
