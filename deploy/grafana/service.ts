/** The daemon as its callers see it. */
import { chosen, counted, type Dashboard, quantiles, rate, recorded } from './panel.ts';

const dataPlane = ', grpc_service="keyproxy.v1.KeyProxy"';
const kmsPlugin = ', grpc_service="v2.KeyManagementService"';

export const service: Dashboard = {
  name: 'service',
  title: 'keyproxy: service',
  description: 'Calls, their ends and their times; who was turned away; the audit log.',
  panels: [
    {
      title: 'Daemons',
      description: 'Daemons that Prometheus reaches.',
      kind: 'number',
      unit: 'short',
      threshold: { at: 1, bad: 'below' },
      queries: [{ expr: `count(keyproxy_dek_cache_entries{${chosen}})`, legend: 'daemons' }],
    },
    {
      title: 'Availability, 1 h',
      description:
        'Part of the calls of the last hour that did not end with UNAVAILABLE or INTERNAL. The objective is 99.9 % in 30 days.',
      kind: 'number',
      unit: 'percentunit',
      threshold: { at: 0.999, bad: 'below' },
      queries: [{ expr: `1 - max(keyproxy:availability_errors:ratio1h{${recorded}})`, legend: 'worst namespace' }],
    },
    {
      title: 'Calls by method',
      description: 'Calls that ended, a second.',
      kind: 'lines',
      unit: 'reqps',
      queries: [{ expr: rate('grpc_server_handled_total', 'grpc_method', dataPlane), legend: '{{grpc_method}}' }],
    },
    {
      title: 'Calls by code',
      description:
        'UNAVAILABLE and INTERNAL are ours or the key service; other codes are for the application or the customer to read.',
      kind: 'lines',
      unit: 'reqps',
      queries: [{ expr: rate('grpc_server_handled_total', 'grpc_code', dataPlane), legend: '{{grpc_code}}' }],
    },
    {
      title: 'Calls of kube-apiserver',
      description: 'Calls to KMS plugins that ended, a second: a status a minute or so, and few others.',
      kind: 'lines',
      unit: 'reqps',
      queries: [
        {
          expr: rate('grpc_server_handled_total', 'grpc_method, grpc_code', kmsPlugin),
          legend: '{{grpc_method}} {{grpc_code}}',
        },
      ],
    },
    {
      title: 'Time of calls',
      description:
        'From the arrival of a call to its end. A hit of the cache takes well under a millisecond, a miss the time of the key service.',
      kind: 'lines',
      unit: 's',
      queries: quantiles('grpc_server_handling_seconds', 'grpc_method', dataPlane),
    },
    {
      title: 'Calls under way',
      description: 'Begun and not ended.',
      kind: 'lines',
      unit: 'short',
      queries: [
        {
          expr: `sum by (grpc_method) (grpc_server_started_total{${chosen}${dataPlane}}) - sum by (grpc_method) (grpc_server_handled_total{${chosen}${dataPlane}})`,
          legend: '{{grpc_method}}',
        },
      ],
    },
    {
      title: 'Error budget burn',
      description:
        'How many times faster than in 30 days the budget of 0.1 % is used up. 14.4 for an hour or 6 for six hours wakes somebody.',
      kind: 'lines',
      unit: 'short',
      threshold: { at: 14.4, bad: 'above' },
      queries: ['5m', '1h', '6h'].map((window) => ({
        expr: `keyproxy:availability_errors:ratio${window}{${recorded}} / 0.001`,
        legend: `{{namespace}} ${window}`,
      })),
    },
    {
      title: 'Turned away',
      description: 'Operations that the policy denied, callers that could not be told, connections over the bound.',
      kind: 'lines',
      unit: 'reqps',
      queries: [
        { expr: rate('keyproxy_access_denied_total', 'operation'), legend: 'denied {{operation}}' },
        { expr: rate('keyproxy_callers_refused_total', 'identity'), legend: 'unknown by {{identity}}' },
        { expr: rate('keyproxy_connections_refused_total', 'namespace'), legend: 'connections {{namespace}}' },
      ],
    },
    {
      title: 'Audit entries',
      description: 'Refused: the call failed because its entry could not be written. Lost: it ran without.',
      kind: 'lines',
      unit: 'reqps',
      queries: [{ expr: rate('keyproxy_audit_entries_total', 'outcome'), legend: '{{outcome}}' }],
    },
    {
      title: 'Trace spans',
      description:
        'Those that too many waited before, and those that the collector did not take, are lost; no call is.',
      kind: 'lines',
      unit: 'reqps',
      queries: [{ expr: rate('keyproxy_trace_spans_total', 'outcome'), legend: '{{outcome}}' }],
    },
    {
      title: 'Reloads',
      description: 'Reloads of tenant files and of the policy in the time shown; bad ones left a file aside.',
      kind: 'table',
      unit: 'short',
      queries: [{ expr: counted('keyproxy_config_reloads_total', 'pod, outcome'), legend: '{{pod}} {{outcome}}' }],
    },
    {
      title: 'Files left aside',
      description: 'Files of tenants and of the policy that are bad as they are now. Last good versions are in force.',
      kind: 'table',
      unit: 'short',
      queries: [{ expr: `sum by (pod, kind) (keyproxy_config_files_bad{${chosen}})`, legend: '{{pod}} {{kind}}' }],
    },
    {
      title: 'Versions',
      description: 'Daemons by version of keyproxy and of Node.',
      kind: 'table',
      unit: 'short',
      queries: [{ expr: `count by (version, node) (keyproxy_build_info{${chosen}})`, legend: '{{version}} {{node}}' }],
    },
  ],
};
