/** Key services whose calls are told to traces: a span for each call, an event for each attempt at it. */
import { decorated, type KmsOperation } from '../kms/decorated.ts';
import { KmsError, publicReason } from '../kms/fault.ts';
import type { KeyConfig } from '../kms/key-config.ts';
import type { KeyCall as Call, KeyService } from '../kms/key-service.ts';
import { type KmsCall, outcomeOf } from '../kms/observed.ts';
import type { ProviderNote } from '../kms/provider-note.ts';
import type { KeyCall, KeyCallEnd } from '../telemetry/span-key-call.ts';
import type { Tracing } from '../telemetry/tracing.ts';
import type { KeyOpener } from './key-services.ts';

type Told = Pick<Tracing, 'keyCall' | 'attempted'>;

/** The same opener; `tracing` is told of calls to the keys that it opens, but for those of the canary. */
export function tracedKeys(opener: KeyOpener, tracing: Told): KeyOpener {
  return {
    async open(config, use) {
      const report = (call: KmsCall): void => {
        if (call.operation !== 'canary') tracing.attempted(attemptOf(call));
        use.report(call);
      };
      const opened = await opener.open(config, { ...use, report });
      const about = { tenant: use.tenantId, provider: config.provider, address: hostOf(config) };
      return {
        live: traced(opened.live, { ...about, way: 'live' }, tracing),
        background: traced(opened.background, { ...about, way: 'background' }, tracing),
        canary: opened.canary,
        [Symbol.asyncDispose]: () => opened[Symbol.asyncDispose](),
      };
    },
  };
}

/** The same key service. Takes `service` over. */
function traced(service: KeyService, about: Omit<KeyCall, 'operation'>, tracing: Told): KeyService {
  const { rewrap } = service;
  /** Makes `call`, with a note of what the service calls the request. */
  const tell = <C extends Call, T>(
    operation: KmsOperation,
    request: C,
    call: (request: C) => Promise<T>,
  ): Promise<T> => {
    const note: ProviderNote = request.note ?? {};
    return tracing.keyCall(
      { ...about, operation },
      () => call({ ...request, note }),
      (error) => endOf(error, note.requestId),
    );
  };
  return {
    ...decorated(service, (_operation, signal, call) => call(signal)),
    get answers() {
      return service.answers;
    },
    generate: (asked) => tell('generate', asked, (request) => service.generate(request)),
    wrap: (asked) => tell('wrap', asked, (request) => service.wrap(request)),
    unwrap: (asked) => tell('unwrap', asked, (request) => service.unwrap(request)),
    ...(rewrap && {
      rewrap: (asked: Parameters<typeof rewrap>[0]) =>
        tell('rewrap', asked, (request) => rewrap.call(service, request)),
    }),
  };
}

function attemptOf({ outcome, error }: KmsCall): KeyCallEnd {
  return error === undefined ? { outcome } : endOf(error, undefined);
}

/** `requestId`: of a success; a failure has its own. */
function endOf(error: unknown, requestId: string | undefined): KeyCallEnd {
  if (error === undefined) return { outcome: 'ok', requestId };
  if (!(error instanceof KmsError)) return { outcome: 'fault', reason: 'INTERNAL' };
  const { fault, details } = error;
  return {
    ...{ outcome: outcomeOf(error), reason: publicReason(fault) },
    ...{ providerCode: details.providerCode, requestId: details.requestId },
  };
}

/** The host of a key's service, where its configuration names one. */
function hostOf(config: KeyConfig): string | undefined {
  switch (config.provider) {
    case 'vault':
      return new URL(config.address).hostname;
    case 'azure_kv':
      return new URL(config.vaultUrl).hostname;
    case 'aws_kms':
    case 'gcp_kms':
      return config.endpoint === undefined ? undefined : new URL(config.endpoint).hostname;
    case 'local':
      return undefined;
  }
}
