/** A collector of traces that speaks OTLP over HTTP, reads protobuf by its own definition, and can fall silent. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { join } from 'node:path';
import { buffer } from 'node:stream/consumers';
import { loadSync, type MethodDefinition } from '@grpc/proto-loader';

/** What it does with requests: takes them, never answers, or answers with this status. */
export type CollectorMood = 'takes' | 'hangs' | number;

type Attributes = Readonly<Record<string, string>>;

/** A span as it was received; ids are hexadecimal. */
export interface ReceivedSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceState: string;
  /** Empty: it has no parent. */
  readonly parentSpanId: string;
  readonly name: string;
  readonly kind: 'internal' | 'server' | 'client' | 'other';
  readonly seconds: number;
  readonly attributes: Attributes;
  readonly events: readonly { readonly name: string; readonly attributes: Attributes }[];
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly isError: boolean;
  readonly resource: Attributes;
}

export interface Collector extends AsyncDisposable {
  /** Where spans are sent. */
  readonly endpoint: string;
  mood: CollectorMood;
  /** Bodies of the requests so far. */
  readonly bodies: readonly Buffer[];
  readonly spans: readonly ReceivedSpan[];
  /** Resolves with the spans once `count` of them, or more, are there and fit. Rejects after ten seconds. */
  until(count: number, fits?: (span: ReceivedSpan) => boolean): Promise<readonly ReceivedSpan[]>;
}

interface Pair {
  readonly key: string;
  readonly value: { readonly string_value: string };
}

interface SpanMessage {
  readonly trace_id: Buffer;
  readonly span_id: Buffer;
  readonly trace_state: string;
  readonly parent_span_id: Buffer;
  readonly name: string;
  readonly kind: number;
  readonly start_time_unix_nano: string;
  readonly end_time_unix_nano: string;
  readonly attributes: readonly Pair[];
  readonly events: readonly { readonly name: string; readonly attributes: readonly Pair[] }[];
  readonly links: readonly { readonly trace_id: Buffer; readonly span_id: Buffer }[];
  readonly status?: { readonly code: number } | null;
}

interface ExportRequest {
  readonly resource_spans: readonly {
    readonly resource: { readonly attributes: readonly Pair[] };
    readonly scope_spans: readonly { readonly spans: readonly SpanMessage[] }[];
  }[];
}

const definition = loadSync(join(import.meta.dirname, 'otlp.proto'), {
  ...{ keepCase: true, longs: String, defaults: true, arrays: true },
});
const service = definition['otlp.TraceService'] as unknown as Record<string, MethodDefinition<ExportRequest, object>>;

/** `Span.SpanKind` by number. */
const kinds: readonly ReceivedSpan['kind'][] = ['other', 'internal', 'server', 'client'];
/** `Status.STATUS_CODE_ERROR`. */
const errorCode = 2;

/** Reads one request. Throws where it is none. */
export function spansIn(body: Buffer): ReceivedSpan[] {
  const message = service['Export']?.requestDeserialize(body);
  if (message === undefined) throw new Error('otlp.proto has lost its service');
  return message.resource_spans.flatMap(({ resource, scope_spans }) =>
    scope_spans.flatMap(({ spans }) => spans.map((span) => asReceived(span, fromPairs(resource.attributes)))),
  );
}

function asReceived(span: SpanMessage, resource: Attributes): ReceivedSpan {
  const ids = (of: { trace_id: Buffer; span_id: Buffer }) => ({
    traceId: of.trace_id.toString('hex'),
    spanId: of.span_id.toString('hex'),
  });
  const nanoseconds = BigInt(span.end_time_unix_nano) - BigInt(span.start_time_unix_nano);
  return {
    ...ids(span),
    traceState: span.trace_state,
    parentSpanId: span.parent_span_id.toString('hex'),
    name: span.name,
    kind: kinds[span.kind] ?? 'other',
    seconds: Number(nanoseconds) / 1e9,
    attributes: fromPairs(span.attributes),
    events: span.events.map((event) => ({ name: event.name, attributes: fromPairs(event.attributes) })),
    links: span.links.map(ids),
    isError: span.status?.code === errorCode,
    resource,
  };
}

function fromPairs(pairs: readonly Pair[]): Attributes {
  return Object.fromEntries(pairs.map(({ key, value }) => [key, value.string_value]));
}

/** Starts it on a free loopback port. */
export async function startCollector(mood: CollectorMood = 'takes'): Promise<Collector> {
  const bodies: Buffer[] = [];
  const spans: ReceivedSpan[] = [];
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await buffer(request);
    const isFit = request.method === 'POST' && request.url === '/v1/traces';
    const isProtobuf = request.headers['content-type'] === 'application/x-protobuf';
    if (!isFit || !isProtobuf) {
      response.writeHead(isFit ? 415 : 404).end();
      return;
    }
    bodies.push(body);
    if (collector.mood === 'hangs') return;
    if (collector.mood === 'takes') spans.push(...spansIn(body));
    response.writeHead(collector.mood === 'takes' ? 200 : collector.mood).end();
  };
  const server = createServer((request, response) => void take(request, response).catch(() => response.destroy()));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port was given');
  const collector: Collector = {
    endpoint: `http://127.0.0.1:${address.port}/v1/traces`,
    ...{ mood, bodies, spans },
    async until(count, fits = () => true) {
      const end = performance.now() + 10_000;
      for (;;) {
        const found = spans.filter(fits);
        if (found.length >= count) return found;
        if (performance.now() > end) throw new Error(`${found.length} of ${spans.length} spans fit, ${count} were due`);
        await new Promise((done) => setTimeout(done, 20));
      }
    },
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
  return collector;
}
