/**
 * The life of `keyproxy injector`: probes are answered from the beginning; reviews from when there is a certificate that
 * the API server trusts, and it is known which form of sidecar the cluster has; SIGTERM ends it without a failed review.
 */
import { X509Certificate } from 'node:crypto';
import { systemClock } from '../../base/clock.ts';
import type { InjectorConfig } from '../../config/injector-file.ts';
import type { Form } from '../../injector/settings.ts';
import { serveHttp } from '../../telemetry/http.ts';
import { createInjectorMetrics } from '../../telemetry/injector-metrics.ts';
import { createLog, type Log } from '../../telemetry/log.ts';
import { SparingLog } from '../../telemetry/sparing-log.ts';
import { asStartupError, bracketed } from '../listeners.ts';
import { version } from '../version.ts';
import { ApiServer } from './api-server.ts';
import type { Issued } from './authority.ts';
import { openCertificateFiles } from './certificate-files.ts';
import { answerReview } from './mutate.ts';
import { openServiceAccount } from './service-account.ts';
import { followForm } from './sidecar-form.ts';
import { WebhookServer } from './webhook-server.ts';

export interface InjectorOptions {
  readonly config: InjectorConfig;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Resolves with the name of the signal that ends it. */
  readonly untilSignal: () => Promise<string>;
}

/** Serves until the signal, then drains. Throws a StartupError where an address or the files of a certificate cannot be had. */
export async function runInjector({ config, env, untilSignal }: InjectorOptions): Promise<void> {
  const log = createLog('info');
  const ending = untilSignal();
  await using stack = new AsyncDisposableStack();
  const over = new AbortController();
  stack.defer(() => over.abort(new Error('the injector ends')));
  const state: State = { server: undefined, cert: undefined, waiting: undefined, form: undefined, stage: 'starting' };
  const metrics = createInjectorMetrics({ certificateExpiresAtMs: () => endOf(state.cert) });
  metrics.buildInfo.set({ version, node: process.version }, 1);
  const isReady = () => state.stage === 'serving';
  stack.use(await bindHttp(config, { registry: metrics.registry, isReady }));
  const api = needsApi(config) ? stack.use(new ApiServer(await openServiceAccount(env))) : undefined;

  const { image, imagePullPolicy, logLevel, resources, httpPort, runAsUser } = config.sidecar;
  const settings = () => ({ image, imagePullPolicy, logLevel, resources, httpPort, runAsUser, form: formIn(state) });
  const sparing = new SparingLog(systemClock);
  const firstLeaf = Promise.withResolvers<void>();
  const onLeaf = ({ cert, key }: Issued) => {
    state.cert = cert;
    if (state.server !== undefined) state.server.use({ cert, key });
    else {
      state.waiting?.key.fill(0);
      // Its giver wipes it when this returns.
      state.waiting = { cert, key: Buffer.from(key) };
    }
    firstLeaf.resolve();
  };
  await followCertificates({ config, api, log, stack, onLeaf });
  const firstForm = followForm({
    ...{ native: config.sidecar.native, api, log, clock: systemClock, signal: over.signal },
    onForm(form) {
      state.form = form;
    },
  });

  const serving = (async () => {
    await Promise.all([firstLeaf.promise, firstForm]);
    if (isEnding(state) || state.waiting === undefined) return;
    const server = new WebhookServer(
      {
        ...{ address: config.listen, clock: systemClock, log, metrics },
        answer: (path, body) => answerReview(path, body, { settings, log, sparing }),
      },
      state.waiting,
    );
    // From here on the end waits for it, and it has the key.
    state.server = server;
    state.waiting.key.fill(0);
    state.waiting = undefined;
    await server.listen();
    if (isEnding(state)) return;
    state.stage = 'serving';
    log.info({ version, node: process.version, ...addresses(config), form: state.form }, 'the injector is serving');
  })();
  const ended = await Promise.race([ending, serving.then(() => ending)]);
  log.info({ signal: ended }, 'the injector is stopping');
  state.stage = 'ending';
  await state.server?.drain();
  log.info('the injector has stopped');
}

interface State {
  server: WebhookServer | undefined;
  /** The certificate that is served. */
  cert: string | undefined;
  /** It and its key, until there is a server to have them. */
  waiting: Issued | undefined;
  form: Form | undefined;
  stage: 'starting' | 'serving' | 'ending';
}

function isEnding({ stage }: State): boolean {
  return stage === 'ending';
}

/** When a certificate ends, in milliseconds since 1970. */
function endOf(cert: string | undefined): number | undefined {
  return cert === undefined ? undefined : new X509Certificate(cert).validToDate.getTime();
}

function formIn({ form }: State): Form {
  if (form === undefined) throw new Error('no review is answered before the form is known');
  return form;
}

function needsApi({ certificates, sidecar }: InjectorConfig): boolean {
  return certificates.kind === 'own' || sidecar.native === 'auto';
}

async function followCertificates(options: {
  readonly config: InjectorConfig;
  readonly api: ApiServer | undefined;
  readonly log: Log;
  readonly stack: AsyncDisposableStack;
  readonly onLeaf: (leaf: Issued) => void;
}): Promise<void> {
  const { config, api, log, stack, onLeaf } = options;
  const { certificates } = config;
  const common = { clock: systemClock, log, onLeaf };
  if (certificates.kind === 'files') {
    stack.use(await openCertificateFiles({ ...common, paths: certificates }));
  } else if (api !== undefined) {
    // The library that makes certificates is read by those alone who make them.
    const { OwnCertificates } = await import('./own-certificates.ts');
    stack.use(new OwnCertificates({ ...common, api, names: certificates })).start();
  }
}

async function bindHttp(
  { http: { host, port } }: InjectorConfig,
  options: Pick<Parameters<typeof serveHttp>[0], 'registry' | 'isReady'>,
): Promise<AsyncDisposable> {
  try {
    return await serveHttp({ host, port, ...options });
  } catch (error) {
    throw asStartupError(error, `http://${host === undefined ? '' : bracketed(host)}:${port}`);
  }
}

function addresses({ listen, http }: InjectorConfig): { listen: string; http: string } {
  return { listen: `${listen.host ?? '*'}:${listen.port}`, http: `${http.host ?? '*'}:${http.port}` };
}
