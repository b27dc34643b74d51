/** The cache of data keys: what it saves the customers' key services, and what leaves it. */
import { chosen, type Dashboard, quantiles, rate, recorded } from './panel.ts';

export const cache: Dashboard = {
  name: 'cache',
  title: 'keyproxy: cache',
  description: 'Data keys in memory: asked for, kept, gone.',
  panels: [
    {
      title: 'Hit ratio, 1 h',
      description: 'Keys that were there or already being fetched, of all that were asked for. The alert is at 80 %.',
      kind: 'number',
      unit: 'percentunit',
      threshold: { at: 0.8, bad: 'below' },
      queries: [{ expr: `min(key_cache_hit_ratio{${recorded}})`, legend: 'worst namespace' }],
    },
    {
      title: 'Entries',
      description: 'Keys in memory, by pod. The bound is in cache_config.max_entries, for each tenant.',
      kind: 'lines',
      unit: 'short',
      queries: [{ expr: `sum by (pod) (keyproxy_dek_cache_entries{${chosen}})`, legend: '{{pod}}' }],
    },
    {
      title: 'Hit ratio',
      description: 'As the rule records it, over the hour before.',
      kind: 'lines',
      unit: 'percentunit',
      threshold: { at: 0.8, bad: 'below' },
      queries: [{ expr: `key_cache_hit_ratio{${recorded}}`, legend: '{{namespace}}' }],
    },
    {
      title: 'Asked for, by result',
      description: 'Each miss is a call to a key service; who waits for it with others is coalesced.',
      kind: 'lines',
      unit: 'reqps',
      queries: [{ expr: rate('keyproxy_dek_cache_requests_total', 'result'), legend: '{{result}}' }],
    },
    {
      title: 'Misses by operation',
      description:
        'encrypt and generate_dek miss where a context is new or its root has ended; unwrap and decrypt where old data is read.',
      kind: 'lines',
      unit: 'reqps',
      queries: [
        { expr: rate('keyproxy_dek_cache_requests_total', 'operation', ', result="miss"'), legend: '{{operation}}' },
      ],
    },
    {
      title: 'Misses by tenant, first ten',
      description:
        'Many misses of one tenant: too many distinct values in its encryption contexts, or a TTL that is too short.',
      kind: 'lines',
      unit: 'reqps',
      queries: [
        {
          expr: `topk(10, ${rate('keyproxy_dek_cache_requests_total', 'tenant', ', result="miss"')})`,
          legend: '{{tenant}}',
        },
      ],
    },
    {
      title: 'Gone, by reason',
      description: 'max_entries and max_bytes: the bound is too low. refused: a customer has withdrawn a key.',
      kind: 'lines',
      unit: 'reqps',
      queries: [{ expr: rate('keyproxy_dek_cache_evictions_total', 'reason'), legend: '{{reason}}' }],
    },
    {
      title: 'Time to make a data key',
      description: 'Derived ones cost no call; others take the time of the key service.',
      kind: 'lines',
      unit: 's',
      queries: quantiles('keyproxy_dek_generation_seconds', 'source'),
    },
  ],
};
