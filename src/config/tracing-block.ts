/** Where traces of calls go, and of how many: the section `tracing` of the daemon's file. */
import { originOf } from './address.ts';
import { byDefault, required, type Shape, scalar, section, type Values } from './shape.ts';

/** The section, checked. */
export interface TracingConfig {
  /** URL that takes spans by OTLP over HTTP. */
  readonly endpoint: string;
  /** The share of calls that are traced where their caller does not say, in [0, 1]. */
  readonly sampleRatio: number;
}

const urlType = 'a URL with its path and without credentials, query or fragment (http://127.0.0.1:4318/v1/traces)';

/** The path is part of it, as in `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`. */
const tracesUrl: Shape<string> = scalar(urlType, (value) => {
  const text = String(value);
  const url = originOf(text) === undefined ? undefined : new URL(text);
  // A question mark or a hash with nothing behind it is gone from `search` and `hash`.
  const hasMore = url === undefined || /[?#@]/.test(text) || url.pathname === '/';
  return hasMore ? { wrong: `must be ${urlType}` } : { value: url.href };
});

const ratioType = 'a number from 0 to 1';

const ratio: Shape<number> = scalar(ratioType, (value) => {
  if (typeof value !== 'number') return { wrong: `must be ${ratioType}, without quotes or unit` };
  return value >= 0 && value <= 1 ? { value } : { wrong: `is ${value}; it must be ${ratioType}` };
});

const fields = {
  endpoint: required(
    tracesUrl,
    'Where spans are sent, by OTLP over HTTP (protobuf): the whole URL, its path included.',
  ),
  sample_ratio: byDefault(
    ratio,
    0.01,
    'The share of calls that are traced where the caller sends no `traceparent`. One that does decides by its flag.',
  ),
};

/** The shape of `tracing`. */
export const tracingShape: Shape<Values<typeof fields>> = section(fields);

/** What the section stands for. */
export function tracingConfig({ endpoint, sample_ratio }: Values<typeof fields>): TracingConfig {
  return { endpoint, sampleRatio: sample_ratio };
}
