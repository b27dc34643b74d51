/** A simulated cluster with a webhook's configuration, and replicas of an injector in it, in this process. */
import { pino } from 'pino';
import { ApiServer } from '../../src/app/injector/api-server.ts';
import { type Issued, makeAuthority } from '../../src/app/injector/authority.ts';
import { answerReview, type WebhookPath } from '../../src/app/injector/mutate.ts';
import { OwnCertificates } from '../../src/app/injector/own-certificates.ts';
import { WebhookServer } from '../../src/app/injector/webhook-server.ts';
import { type Clock, systemClock } from '../../src/base/clock.ts';
import { createInjectorMetrics } from '../../src/telemetry/injector-metrics.ts';
import { SparingLog } from '../../src/telemetry/sparing-log.ts';
import { AdmissionControl } from '../simulators/kubernetes/admission.ts';
import { type KubernetesSimulator, startKubernetes } from '../simulators/kubernetes/server.ts';
import { freePort } from './daemon.ts';
import { podSettings } from './pod-shapes.ts';

/** What the injector is called in the cluster. */
export const injectorNames = {
  namespace: 'keyproxy',
  service: 'keyproxy-injector',
  secret: 'keyproxy-injector-tls',
  webhook: 'keyproxy-injector',
};
export const serviceHost = 'keyproxy-injector.keyproxy.svc';
const secretKey = 'keyproxy/keyproxy-injector-tls';

/** The configuration as a chart leaves it: without a bundle, which is the injector's to set. */
export function webhookConfiguration() {
  return {
    apiVersion: 'admissionregistration.k8s.io/v1',
    kind: 'MutatingWebhookConfiguration',
    metadata: { name: injectorNames.webhook, labels: { 'app.kubernetes.io/name': 'keyproxy' } },
    webhooks: [
      {
        name: 'inject.keyproxy.io',
        failurePolicy: 'Fail',
        clientConfig: {
          service: { name: injectorNames.service, namespace: injectorNames.namespace, path: '/mutate', port: 443 },
        },
      },
    ],
  };
}

/** The one that looks at pods when all others have changed them. */
export function checkConfiguration() {
  const { webhooks, ...rest } = webhookConfiguration();
  const service = { name: injectorNames.service, namespace: injectorNames.namespace, path: '/validate', port: 443 };
  const checks = webhooks.map((webhook) => ({ ...webhook, name: 'check.keyproxy.io', clientConfig: { service } }));
  return { ...rest, kind: 'ValidatingWebhookConfiguration', webhooks: checks };
}

/** How often a replica looks, how long it waits for trust, and how fast its clock is, in milliseconds. */
export interface Pace {
  readonly lookMs: number;
  readonly settleMs: number;
  readonly fastMs?: number;
}

export interface Replica {
  readonly port: number;
  /** The certificate that it serves. */
  readonly leaf: () => Issued;
  stop(): Promise<void>;
}

export class InjectorWorld implements AsyncDisposable {
  readonly kubernetes: KubernetesSimulator;
  readonly replicas: Replica[] = [];
  readonly lines: Record<string, unknown>[] = [];
  readonly #stack = new AsyncDisposableStack();

  private constructor(kubernetes: KubernetesSimulator) {
    this.kubernetes = kubernetes;
    this.#stack.use(kubernetes);
  }

  static async start(): Promise<InjectorWorld> {
    const kubernetes = await startKubernetes();
    kubernetes.configurations.create(injectorNames.webhook, webhookConfiguration());
    kubernetes.checks.create(injectorNames.webhook, checkConfiguration());
    return new InjectorWorld(kubernetes);
  }

  /** The API server's side, which hears of changes `lagMs` late. */
  admission(lagMs = 0): AdmissionControl {
    return new AdmissionControl({
      ...{ configurations: this.kubernetes.configurations, checks: this.kubernetes.checks },
      ...{ configuration: injectorNames.webhook, lagMs },
      ...{ service: serviceHost, ports: () => this.replicas.map(({ port }) => port) },
    });
  }

  /** What the Secret has in a field, as text; undefined where it is not there. */
  kept(field: string): string | undefined {
    if (!this.kubernetes.secrets.has(secretKey)) return undefined;
    const data = this.kubernetes.secrets.get(secretKey)['data'] as Record<string, string>;
    return data[field] === undefined ? undefined : Buffer.from(data[field], 'base64').toString('latin1');
  }

  /** Puts a Secret there as an earlier injector left it. */
  keep(fields: Readonly<Record<string, string | Buffer>>, more: object = {}): void {
    const data = Object.fromEntries(
      Object.entries(fields).map(([name, value]) => [name, Buffer.from(value).toString('base64')]),
    );
    const metadata = { namespace: injectorNames.namespace, name: injectorNames.secret };
    this.kubernetes.secrets.create(secretKey, {
      apiVersion: 'v1',
      kind: 'Secret',
      type: 'Opaque',
      metadata,
      data,
      ...more,
    });
  }

  /** The bundle that a configuration has now, in PEM. */
  bundle(kind: 'configurations' | 'checks' = 'configurations'): string {
    const { webhooks } = this.kubernetes[kind].get(injectorNames.webhook) as unknown as {
      webhooks: { clientConfig: { caBundle?: string } }[];
    };
    return Buffer.from(webhooks[0]?.clientConfig.caBundle ?? '', 'base64').toString('latin1');
  }

  /** One call to the API server in the injector's name. */
  api(clock: Clock = systemClock): ApiServer {
    const { host, port, ca, token } = this.kubernetes;
    return new ApiServer({ host, port, ca: async () => ca, token: async () => token }, clock);
  }

  /** Starts a replica whose clock is `fastMs` ahead, and resolves once it serves. */
  async replica({ fastMs = 0, ...pace }: Pace): Promise<Replica> {
    const clock = { ...systemClock, now: () => Date.now() + fastMs };
    const log = pino({ level: 'info' }, { write: (line) => void this.lines.push(JSON.parse(line)) });
    const metrics = createInjectorMetrics({ certificateExpiresAtMs: () => undefined });
    const address = { host: '127.0.0.1', port: await freePort() };
    const api = this.#stack.use(this.api(clock));
    const first = Promise.withResolvers<Issued>();
    let leaf: Issued | undefined;
    let server: WebhookServer | undefined;
    const own = this.#stack.use(
      new OwnCertificates({
        ...{ api, clock, log, names: injectorNames, ...pace },
        onLeaf(issued) {
          server?.use(issued);
          // It is wiped when this returns.
          leaf = { cert: issued.cert, key: Buffer.from(issued.key) };
          first.resolve(leaf);
        },
      }),
    );
    own.start();
    const answer = (path: WebhookPath, body: Buffer) =>
      answerReview(path, body, { settings: () => podSettings, log, sparing: new SparingLog(clock) });
    server = new WebhookServer({ address, clock: systemClock, log, metrics, answer, lingerMs: 0 }, await first.promise);
    if (leaf !== undefined) server.use(leaf);
    await server.listen();
    const serving = server;
    const replica: Replica = {
      port: address.port,
      leaf: () => leaf ?? { cert: '', key: Buffer.alloc(0) },
      stop: async () => {
        this.replicas.splice(this.replicas.indexOf(replica), 1);
        await own[Symbol.asyncDispose]();
        await serving.drain();
      },
    };
    this.replicas.push(replica);
    return replica;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.replicas.slice().map((replica) => replica.stop()));
    await this.#stack.disposeAsync();
  }
}

/** An authority that was made so long ago, in milliseconds. */
export function oldAuthority(ageMs: number): Promise<Issued> {
  return makeAuthority(Date.now() - ageMs);
}
