/** The customers' key services, as keyproxy finds them. */
import { chosen, counted, type Dashboard, quantiles, rate, recorded } from './panel.ts';

export const keyServices: Dashboard = {
  name: 'key-services',
  title: 'keyproxy: key services',
  description: 'Calls to key services, their outcomes and times; silence, replicas, credentials.',
  panels: [
    {
      title: 'Success rate, 5 min',
      description:
        'Calls that ended with a yes or a no. Bytes that do not open count as failures, too. The alert is at 99.9 %.',
      kind: 'number',
      unit: 'percent',
      threshold: { at: 99.9, bad: 'below' },
      queries: [{ expr: `min(kms_api_success_rate{${recorded}})`, legend: 'worst namespace' }],
    },
    {
      title: 'Data keys, p99 of 10 min',
      description:
        'In this time the key service has made 99 of 100 data keys. Read from buckets, of which none is wider than a third. The alert is at 1000 ms, which is exact.',
      kind: 'number',
      unit: 'ms',
      threshold: { at: 1000, bad: 'above' },
      queries: [{ expr: `max(dek_generation_p99{${recorded}})`, legend: 'worst namespace' }],
    },
    {
      title: 'Success rate by provider',
      description: 'Over the 5 minutes before.',
      kind: 'lines',
      unit: 'percent',
      threshold: { at: 99.9, bad: 'below' },
      queries: [{ expr: `kms_api_success_rate:by_provider{${recorded}}`, legend: '{{namespace}} {{provider}}' }],
    },
    {
      title: 'Calls by outcome',
      description:
        'refusal: the customer says no. outage: no answer. fault: anything else: bytes that do not open, or what keyproxy validate explains.',
      kind: 'lines',
      unit: 'reqps',
      queries: [{ expr: rate('keyproxy_kms_requests_total', 'provider, outcome'), legend: '{{provider}} {{outcome}}' }],
    },
    {
      title: 'Calls by operation',
      description: 'What the customers pay for; canary is the price of hearing a refusal in time.',
      kind: 'lines',
      unit: 'reqps',
      queries: [{ expr: rate('keyproxy_kms_requests_total', 'operation'), legend: '{{operation}}' }],
    },
    {
      title: 'Time of a call',
      description: 'One call, without retries and waits.',
      kind: 'lines',
      unit: 's',
      queries: quantiles('keyproxy_kms_request_seconds', 'provider'),
    },
    {
      title: 'Silent keys',
      description: 'Keys whose service gives no answer: calls fail at once, or go to a replica.',
      kind: 'table',
      unit: 'short',
      queries: [
        {
          expr: `max by (namespace, tenant, key, provider) (keyproxy_kms_circuit_open{${chosen}})`,
          legend: '{{namespace}} {{tenant}} {{key}} {{provider}}',
        },
      ],
    },
    {
      title: 'Replicas in use',
      description: 'Keys that a replica made or opened in the time shown.',
      kind: 'table',
      unit: 'short',
      queries: [
        { expr: counted('keyproxy_kms_failovers_total', 'tenant, provider'), legend: '{{tenant}} {{provider}}' },
      ],
    },
    {
      title: 'Credentials end',
      description: 'The earliest of each provider. Renewal begins with a third of their life left.',
      kind: 'table',
      unit: 'dateTimeFromNow',
      queries: [
        {
          expr: `1000 * min by (namespace, pod, provider) (keyproxy_credential_expiry_timestamp_seconds{${chosen}})`,
          legend: '{{namespace}} {{pod}} {{provider}}',
        },
      ],
    },
    {
      title: 'KMS plugins',
      description: "1 where the plugin of a node tells kube-apiserver that the cluster's key can be used.",
      kind: 'table',
      unit: 'short',
      queries: [
        {
          expr: `min by (namespace, pod, instance) (keyproxy_kms_plugin_healthy{${chosen}})`,
          legend: '{{namespace}} {{pod}} {{instance}}',
        },
      ],
    },
  ],
};
