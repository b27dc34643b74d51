/**
 * Clients for tests of the simulator: the official SDK without its retries, and a signer of its own for requests that no
 * SDK would send.
 */
import { createHash, createHmac } from 'node:crypto';
import { KMSClient, type KMSClientConfig } from '@aws-sdk/client-kms';
import { fromTemporaryCredentials } from '@aws-sdk/credential-providers';
import type { ServiceName } from './errors.ts';
import type { IssuedCredentials } from './identities.ts';
import type { AwsSimulator } from './server.ts';

type Credentials = NonNullable<KMSClientConfig['credentials']>;

/** An SDK client that tries once; the platform's own identity and us-east-1 unless told otherwise. */
export function kmsClient(aws: AwsSimulator, options: { credentials?: Credentials; region?: string } = {}): KMSClient {
  const { credentials = aws.platform, region = 'us-east-1' } = options;
  return new KMSClient({ region, endpoint: aws.endpoint, credentials, maxAttempts: 1 });
}

/** What a test may ask AssumeRole for. */
export interface AssumeOptions {
  readonly role: { readonly arn: string };
  readonly externalId?: string;
  readonly sessionName?: string;
  readonly seconds?: number;
  readonly policy?: string;
  readonly master?: Credentials;
}

/** Session credentials by the SDK's own provider. */
export function assumed(aws: AwsSimulator, options: AssumeOptions): ReturnType<typeof fromTemporaryCredentials> {
  return fromTemporaryCredentials({
    masterCredentials: options.master ?? aws.platform,
    clientConfig: { region: 'us-east-1', endpoint: aws.endpoint, maxAttempts: 1 },
    params: {
      RoleArn: options.role.arn,
      RoleSessionName: options.sessionName ?? 'tenant-1@node-1',
      ...(options.externalId === undefined ? {} : { ExternalId: options.externalId }),
      ...(options.seconds === undefined ? {} : { DurationSeconds: options.seconds }),
      ...(options.policy === undefined ? {} : { Policy: options.policy }),
    },
  });
}

/** How a call failed: the error's name, HTTP status and text. Throws when it did not fail. */
export async function refusal(call: Promise<unknown>): Promise<{ name: string; status: unknown; message: string }> {
  const outcome = await call.then(
    () => undefined,
    (error: unknown) => error,
  );
  if (!(outcome instanceof Error)) throw new Error('the call was expected to fail and did not');
  const metadata = '$metadata' in outcome ? outcome.$metadata : undefined;
  const status =
    typeof metadata === 'object' && metadata !== null && 'httpStatusCode' in metadata
      ? metadata.httpStatusCode
      : undefined;
  return { name: outcome.name, status, message: outcome.message };
}

/** What a raw request is made of; every part has an honest default. */
export interface RawRequest {
  readonly service?: ServiceName;
  readonly credentials?: IssuedCredentials;
  readonly body?: string;
  /** Added to the honest headers, or in their place. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Headers that are sent and not signed. */
  readonly unsigned?: readonly string[];
  readonly region?: string;
  /** The service and the day that the credential scope names. */
  readonly scopeService?: string;
  readonly scopeDate?: string;
  /** Signing time, in milliseconds since 1970. */
  readonly at?: number;
  /** The body that is sent after another has been signed. */
  readonly sentBody?: string;
  /** Stands in for the whole Authorization header; empty sends none. */
  readonly authorization?: string;
  readonly path?: string;
  readonly method?: string;
}

/** A raw answer. */
export interface RawAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
  /** `__type` or `<Code>`. */
  readonly code: string;
}

const honest: Record<ServiceName, { body: string; headers: Readonly<Record<string, string>> }> = {
  kms: {
    body: '{"KeyId":"alias/none"}',
    headers: { 'content-type': 'application/x-amz-json-1.1', 'x-amz-target': 'TrentService.DescribeKey' },
  },
  sts: {
    body: 'Action=GetCallerIdentity&Version=2011-06-15',
    headers: { 'content-type': 'application/x-www-form-urlencoded; charset=utf-8' },
  },
};

/** Signs and sends a request as told. */
export async function rawCall(aws: AwsSimulator, raw: RawRequest = {}): Promise<RawAnswer> {
  const { service = 'kms', credentials = aws.platform, path = '/', method = 'POST' } = raw;
  const body = raw.body ?? honest[service].body;
  const time = new Date(raw.at ?? Date.now()).toISOString().replace(/[-:]|\.\d{3}/g, '');
  const headers: Record<string, string> = {
    host: new URL(aws.endpoint).host,
    'x-amz-date': time,
    ...honest[service].headers,
    ...(credentials.sessionToken === undefined ? {} : { 'x-amz-security-token': credentials.sessionToken }),
    ...raw.headers,
  };
  const authorization = raw.authorization ?? sign(raw, { headers, body, service, credentials, time, path, method });
  if (authorization !== '') headers['authorization'] = authorization;
  const { host: _host, ...sent } = headers;
  const response = await fetch(aws.endpoint + path, { method, headers: sent, body: raw.sentBody ?? body });
  const text = await response.text();
  const code = /"__type":"([^"]*)"|<Code>([^<]*)<\/Code>/.exec(text);
  return { status: response.status, headers: response.headers, text, code: code?.[1] ?? code?.[2] ?? '' };
}

interface SigningInput {
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
  readonly service: string;
  readonly credentials: IssuedCredentials;
  readonly time: string;
  readonly path: string;
  readonly method: string;
}

function sign(raw: RawRequest, input: SigningInput): string {
  const names = Object.keys(input.headers)
    .filter((name) => !(raw.unsigned ?? []).includes(name))
    .sort();
  const scope = [raw.scopeDate ?? input.time.slice(0, 8), raw.region ?? 'us-east-1', raw.scopeService ?? input.service];
  const lines = names.map((name) => `${name}:${input.headers[name]}\n`).join('');
  const canonical = [input.method, input.path, '', lines, names.join(';'), sha256(input.body)].join('\n');
  const scopeText = [...scope, 'aws4_request'].join('/');
  const text = ['AWS4-HMAC-SHA256', input.time, scopeText, sha256(canonical)].join('\n');
  let key: string | Buffer = `AWS4${input.credentials.secretAccessKey}`;
  for (const part of [...scope, 'aws4_request']) key = createHmac('sha256', key).update(part).digest();
  const signature = createHmac('sha256', key).update(text).digest('hex');
  const credential = `${input.credentials.accessKeyId}/${scopeText}`;
  return `AWS4-HMAC-SHA256 Credential=${credential}, SignedHeaders=${names.join(';')}, Signature=${signature}`;
}

function sha256(data: string): string {
  return createHash('sha256').update(data).digest('hex');
}

/** A clock that a test moves. */
export function movableClock(start = Date.now()): { now(): number; advance(milliseconds: number): void } {
  let time = start;
  return {
    now: () => time,
    advance: (milliseconds) => {
      time += milliseconds;
    },
  };
}
