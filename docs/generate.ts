/**
 * Writes the documents that tables of the code already contain: errors, metrics, the tables of the configuration; and
 * what the Helm chart has from elsewhere.
 *
 *     npm run docs        writes them
 *     --check             writes nothing; exit code 1 names each file that is not as it would be written
 */
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { errorTable, type Fault } from '../src/base/errors.ts';
import { verbs } from '../src/base/verb.ts';
import { configurationTables } from '../src/config/reference.ts';
import { evictionReasons } from '../src/dek/key-cache.ts';
import { createInjectorMetrics, injectorOutcomes } from '../src/telemetry/injector-metrics.ts';
import { createKmsPluginMetrics } from '../src/telemetry/kms-plugin-metrics.ts';
import { createMetrics, maxTenantLabels, otherTenants } from '../src/telemetry/metrics.ts';
import { chartPages } from './chart.ts';

const root = resolve(import.meta.dirname, '..');
const note = '<!-- Written by `npm run docs` from the tables in the code. Change those, not this file. -->';

/** Who has to act → what the column says. */
const faults: Readonly<Record<Fault, string>> = {
  caller: 'the application',
  customer: 'the customer',
  provider: 'the key service',
  keyproxy: "keyproxy's operator",
};

/** `docs/errors.md`: every reason with its meaning. */
export function errorsPage(): string {
  const rows = Object.entries(errorTable).map(([reason, { grpc, http, fault, retry, message }]) => [
    code(reason),
    code(grpc),
    String(http),
    faults[fault],
    retry ? 'yes' : 'no',
    message,
  ]);
  return `${note}

# Errors

A call that fails has a canonical gRPC code and, in the trailer \`grpc-status-details-bin\`, a [\`google.rpc.Status\`](https://google.aip.dev/193) with

- \`google.rpc.ErrorInfo\`: the **reason**, the domain \`keyproxy\`, and pairs for machines;
- \`google.rpc.RetryInfo\`, where waiting can help: how long to wait before the next try.

Act on the reason. A reason is a contract and keeps its name; the sentence may change, and a clause with more detail may follow it. No answer contains key material, ciphertext, credentials or the key service's own text. [Operations](operations.md#reasons) says what to do about each.

${table(['reason', 'gRPC code', 'HTTP', 'who has to act', 'retry', 'sentence'], rows)}

- **HTTP** is the status of the same failure where keyproxy speaks HTTP; the data plane speaks gRPC alone.
- **Retry** tells whether the same call may succeed later with nothing changed by anyone.
- Everything that is wrong with a ciphertext or a wrapped DEK (another tenant, another context, other associated data, a changed byte, a cut tail) is one reason with one sentence: \`DECRYPT_FAILED\`.
- Pairs of a limit: \`limit\` (its name), \`limit_value\`, and \`size\` of what was over it. Pairs of a failure at the key service: \`provider\`, \`provider_code\` and \`provider_request_id\`, which finds the entry in the customer's own audit log.
`;
}

const kmsOperations = "`generate`, `wrap`, `unwrap`, `rewrap`; `canary`: what is asked for the canary's sake";

/** Label, or label and metric where two metrics mean different things by it → its values. */
const labelValues: Readonly<Record<string, string>> = {
  grpc_service: 'full name of the service, `keyproxy.v1.KeyProxy` say',
  grpc_method: 'name of the method',
  grpc_type: '`unary`, `server_stream`, `bidi_stream`',
  grpc_code: 'canonical code by name, `OK` included',
  tenant: `the tenant; after the first ${maxTenantLabels}, all others share \`${otherTenants}\`, and have no \`keyproxy_tenant_state\``,
  'operation of keyproxy_dek_cache_requests_total':
    'the verb that asked: `generate_dek`, `unwrap`, `encrypt`, `decrypt`, `rewrap`',
  result: '`hit`, `miss`, `coalesced`',
  'reason of keyproxy_dek_cache_evictions_total': evictionReasons.map(code).join(', '),
  source: '`derived`, `kms`',
  'reason of keyproxy_decrypt_failures_total': 'a reason of [errors](errors.md)',
  provider: '`aws_kms`, `azure_kv`, `gcp_kms`, `vault`, `local`',
  key: '`current`, or `replica` or `retired` with its number in the file, from 1',
  'operation of keyproxy_kms_requests_total': kmsOperations,
  'outcome of keyproxy_kms_requests_total':
    '`ok`; `refusal`: the answer is no; `outage`: no answer; `fault`: anything else',
  'operation of keyproxy_kms_request_seconds': kmsOperations,
  'reason of keyproxy_key_refusals_total': 'a reason of [errors](errors.md)',
  state: '`active`, `refused`',
  'outcome of keyproxy_config_reloads_total': '`ok`, `bad`',
  kind: '`tenants`, `policy`',
  'operation of keyproxy_access_denied_total': verbs.map(code).join(', '),
  identity: '`token`, `mtls`',
  'reason of keyproxy_alerts_total': 'a reason of [errors](errors.md)',
  'outcome of keyproxy_injector_requests_total': injectorOutcomes.map(code).join(', '),
  'outcome of keyproxy_audit_entries_total': '`written`, `refused`, `lost`',
  'outcome of keyproxy_trace_spans_total': '`sent`, `queue_full`, `failed`',
  version: "keyproxy's version",
  node: "Node's version",
};

/** Every metric of each of keyproxy's processes. */
export function describedMetrics(): Readonly<Record<'served' | 'injecting' | 'plugged', readonly Described[]>> {
  const { registry, ...metrics } = createMetrics({
    cacheEntries: () => 0,
    credentialExpiries: () => [],
    auditEntries: () => ({ written: 0, refused: 0, lost: 0 }),
    openCircuits: () => [],
  });
  registry.clear();
  const { registry: injectorRegistry, ...injectorMetrics } = createInjectorMetrics({ certificateExpiresAtMs: () => 0 });
  injectorRegistry.clear();
  const { registry: pluginRegistry, ...pluginMetrics } = createKmsPluginMetrics({ healthy: () => true });
  pluginRegistry.clear();
  return {
    served: Object.values(metrics).map(describeMetric),
    injecting: Object.values(injectorMetrics).map(describeMetric),
    plugged: Object.values(pluginMetrics).map(describeMetric),
  };
}

/** `docs/metrics.md`: every metric of the data plane, of the injector, and of the KMS plugin. */
export function metricsPage(): string {
  const { served, injecting, plugged } = describedMetrics();
  const all = [...served, ...injecting, ...plugged];
  const labels = all.flatMap((metric) => metric.labels.map((label) => [labelKey(metric.name, label), label] as const));
  const buckets = new Set(all.flatMap(({ bounds }) => (bounds.length === 0 ? [] : [bounds.join(', ')])));
  return `${note}

# Metrics

\`/metrics\` on the HTTP address (\`:9464\`; \`127.0.0.1:9464\` with \`--dev\`) answers in the Prometheus text format. Names and labels are contracts. A tenant label stands on counters and gauges only.

${metricsTable(served)}

## The injector

\`keyproxy injector\` serves these on its own HTTP address.

${metricsTable(injecting)}

## The KMS plugin

\`keyproxy kms-plugin\` serves this beside those of the data plane.

${metricsTable(plugged)}

## Buckets

Buckets of the histograms, in seconds: ${[...buckets].join('; ')}.

## Labels

${table(
  ['label', 'values'],
  [...new Map(labels).keys()].map((key) => [key.split(' of ').map(code).join(' of '), valuesOf(key)]),
)}
`;
}

function metricsTable(metrics: readonly Described[]): string {
  const rows = metrics.map(({ name, type, labels, help }) => [code(name), type, labels.map(code).join(', '), help]);
  return table(['metric', 'type', 'labels', 'meaning'], rows);
}

/** A metric as the page shows it. */
export interface Described {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labels: readonly string[];
  /** Upper bounds of the buckets of a histogram. */
  readonly bounds: readonly unknown[];
}

/** What prom-client keeps in each metric's object, which its types leave out. */
function describeMetric(metric: object): Described {
  const text = (key: string): string => {
    const value: unknown = Reflect.get(metric, key);
    if (typeof value !== 'string') throw new Error(`a metric has no ${key}`);
    return value;
  };
  const items = (key: string): unknown[] => {
    const value: unknown = Reflect.get(metric, key);
    return Array.isArray(value) ? value : [];
  };
  return {
    name: text('name'),
    type: text('type'),
    help: text('help'),
    labels: items('labelNames').map(String),
    bounds: items('upperBounds'),
  };
}

function labelKey(metric: string, label: string): string {
  return Object.hasOwn(labelValues, label) ? label : `${label} of ${metric}`;
}

function valuesOf(key: string): string {
  const values = labelValues[key];
  if (values === undefined) throw new Error(`docs/generate.ts does not know the values of the label ${key}`);
  return values;
}

const tablesBegin = /<!-- tables: [^\n]*?-->\n/;
const tablesEnd = '\n<!-- tables: end -->';

/** `docs/configuration.md` with its tables as they are now; the rest of the page stays. Throws without its marks. */
export function configurationPage(page: string): string {
  const begin = tablesBegin.exec(page);
  const end = page.indexOf(tablesEnd);
  if (begin === null || end < begin.index) throw new Error('docs/configuration.md has lost the marks of its tables');
  return `${page.slice(0, begin.index + begin[0].length)}\n${configurationTables()}\n${page.slice(end)}`;
}

/** File → its content as it should be, made from its content as it is. */
type Pages = Readonly<Record<string, (current: string) => string>>;

const documents: Pages = {
  'docs/errors.md': errorsPage,
  'docs/metrics.md': metricsPage,
  'docs/configuration.md': configurationPage,
};

/** Files under `folder` that are not as they would be written. */
export async function staleFiles(folder: string, pages = documents): Promise<string[]> {
  const stale: string[] = [];
  for (const [file, write] of Object.entries(pages)) {
    const current = await contentOf(resolve(folder, file));
    if (write(current) !== current) stale.push(file);
  }
  return stale;
}

/** Writes what is stale under `folder`, and tells which files that were. */
export async function writePages(folder: string, pages = documents): Promise<string[]> {
  const stale = await staleFiles(folder, pages);
  for (const file of stale) {
    const path = resolve(folder, file);
    await mkdir(dirname(path), { recursive: true });
    await writeFile(path, pages[file]?.(await contentOf(path)) ?? '');
  }
  return stale;
}

/** A file that is not there yet is empty. */
function contentOf(path: string): Promise<string> {
  return readFile(path, 'utf8').catch(() => '');
}

function code(text: string): string {
  return `\`${text}\``;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

if (import.meta.main) {
  const pages = { ...documents, ...(await chartPages(root)) };
  if (process.argv.includes('--check')) {
    for (const file of await staleFiles(root, pages)) {
      console.error(`${file} is stale; run: npm run docs`);
      process.exitCode = 1;
    }
  } else {
    for (const file of await writePages(root, pages)) console.log(`wrote ${file}`);
  }
}
