/** Customers who withdraw their keys, and how soon that is heard. */
import { chosen, counted, type Dashboard, rate } from './panel.ts';

const lag = 'keyproxy_revocation_lag_seconds';

export const revocation: Dashboard = {
  name: 'revocation',
  title: 'keyproxy: revocation',
  description: 'Refusals of keys, how late they were heard, and the canaries that listen for them.',
  panels: [
    {
      title: 'Refused now',
      description:
        'Tenants whose key service says no: their data keys are wiped and their calls refused, as the customer wants it.',
      kind: 'number',
      unit: 'short',
      queries: [
        {
          expr: `count(max by (tenant) (keyproxy_tenant_state{${chosen}, state="refused"})) or vector(0)`,
          legend: 'tenants',
        },
      ],
    },
    {
      title: 'Longest time without proof, p99',
      description:
        'At a refusal: the time since the last proof that the key may be used, of 99 of 100 refusals in the time shown. One interval of canaries bounds it, 60 s unless configured, while the key service answers.',
      kind: 'number',
      unit: 's',
      threshold: { at: 300, bad: 'above' },
      queries: [
        {
          expr: `histogram_quantile(0.99, sum by (le) (increase(${lag}_bucket{${chosen}}[$__range])))`,
          legend: 'p99',
        },
      ],
    },
    {
      title: 'Who is refused',
      description: 'By tenant and daemon: daemons hear of it one after the other, each with its next canary or call.',
      kind: 'table',
      unit: 'short',
      queries: [
        { expr: `keyproxy_tenant_state{${chosen}, state="refused"} == 1`, legend: '{{namespace}} {{pod}} {{tenant}}' },
      ],
    },
    {
      title: 'Refusals by tenant and reason',
      description: 'How often a key service said no to a key as a whole, since each daemon started.',
      kind: 'table',
      unit: 'short',
      queries: [
        {
          expr: `sum by (tenant, provider, reason) (keyproxy_key_refusals_total{${chosen}})`,
          legend: '{{tenant}} {{provider}} {{reason}}',
        },
      ],
    },
    {
      title: 'Canaries',
      description:
        'Questions whether a key may still be used. outage: no answer, so nothing is known; ok and refusal are answers.',
      kind: 'lines',
      unit: 'reqps',
      queries: [
        { expr: rate('keyproxy_kms_requests_total', 'outcome', ', operation="canary"'), legend: '{{outcome}}' },
      ],
    },
    {
      title: 'Keys wiped',
      description: 'Data keys that left memory because of a refusal, a second.',
      kind: 'lines',
      unit: 'short',
      queries: [
        {
          expr: rate('keyproxy_dek_cache_evictions_total', 'namespace', ', reason="refused"'),
          legend: '{{namespace}}',
        },
      ],
    },
    {
      title: 'Calls refused for it',
      description: 'Decryptions that failed because the customer has withdrawn the key, in the time shown.',
      kind: 'table',
      unit: 'short',
      queries: [
        {
          expr: counted(
            'keyproxy_decrypt_failures_total',
            'tenant, reason',
            ', reason=~"KEY_DISABLED|KEY_PENDING_DELETION|KEY_STATE_INVALID|KEY_ACCESS_DENIED|KEY_NOT_FOUND|ROLE_DENIED"',
          ),
          legend: '{{tenant}} {{reason}}',
        },
      ],
    },
  ],
};
