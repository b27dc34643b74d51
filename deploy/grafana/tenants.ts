/** Which tenants do what, and which have trouble. */
import { chosen, counted, type Dashboard, rate, recorded } from './panel.ts';

export const tenants: Dashboard = {
  name: 'tenants',
  title: 'keyproxy: tenants',
  description: 'Tenants by state, by traffic and by failure. Beyond a thousand, tenants share one label.',
  panels: [
    {
      title: 'Active',
      description: 'Tenants that at least one daemon serves.',
      kind: 'number',
      unit: 'short',
      queries: [
        { expr: `count(max by (tenant) (keyproxy_tenant_state{${chosen}, state="active"}))`, legend: 'tenants' },
      ],
    },
    {
      title: 'Refused',
      description: 'Tenants whose key service says no.',
      kind: 'number',
      unit: 'short',
      threshold: { at: 1, bad: 'above' },
      queries: [
        {
          expr: `count(max by (tenant) (keyproxy_tenant_state{${chosen}, state="refused"})) or vector(0)`,
          legend: 'tenants',
        },
      ],
    },
    {
      title: 'Keys asked for, first ten tenants',
      description: 'About one for each call.',
      kind: 'lines',
      unit: 'reqps',
      queries: [{ expr: `topk(10, ${rate('keyproxy_dek_cache_requests_total', 'tenant')})`, legend: '{{tenant}}' }],
    },
    {
      title: 'Decryptions, first ten tenants',
      description: 'Decrypt and Unwrap.',
      kind: 'lines',
      unit: 'reqps',
      queries: [{ expr: `topk(10, ${rate('keyproxy_decrypt_requests_total', 'tenant')})`, legend: '{{tenant}}' }],
    },
    {
      title: 'Failed decryptions, first ten tenants',
      description: 'Part of the decryptions of the 5 minutes before. The alert is at 0.1 % of all tenants together.',
      kind: 'lines',
      unit: 'percentunit',
      threshold: { at: 0.001, bad: 'above' },
      queries: [{ expr: `topk(10, decrypt_failures_rate:by_tenant{${recorded}})`, legend: '{{namespace}} {{tenant}}' }],
    },
    {
      title: 'Failed decryptions, all tenants',
      description: 'The figure of the alert, by namespace.',
      kind: 'lines',
      unit: 'percentunit',
      threshold: { at: 0.001, bad: 'above' },
      queries: [{ expr: `decrypt_failures_rate{${recorded}}`, legend: '{{namespace}}' }],
    },
    {
      title: 'Failed decryptions by reason',
      description:
        'DECRYPT_FAILED: wrong tenant, context or associated data, or damaged bytes. The others are in docs/errors.md.',
      kind: 'table',
      unit: 'short',
      queries: [
        { expr: counted('keyproxy_decrypt_failures_total', 'tenant, reason'), legend: '{{tenant}} {{reason}}' },
      ],
    },
    {
      title: 'Failures that tenants want to hear of',
      description: 'Operations that failed for tenants with audit.alert_on_failures, in the time shown.',
      kind: 'table',
      unit: 'short',
      queries: [{ expr: counted('keyproxy_alerts_total', 'tenant, reason'), legend: '{{tenant}} {{reason}}' }],
    },
  ],
};
