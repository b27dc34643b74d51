/** The injector's file: where the API server asks it, what it puts into pods, and where its certificate comes from. */
import { dirname, resolve } from 'node:path';
import { imageReference } from '../base/image-reference.ts';
import { type LogLevel, logLevels } from '../base/log-level.ts';
import { isOverLimit, quantityOf, quantityRule } from '../base/quantity.ts';
import { type HostPort, hostPort } from './address.ts';
import { type Parsed, ProblemCollector } from './problem.ts';
import { readShape } from './read.ts';
import { byDefault, group, optional, required, type Shape, scalar, section, type Values } from './shape.ts';
import { choice, integer, path, text } from './values.ts';
import { readYaml } from './yaml-tree.ts';

/** Amounts of the two resources, as Kubernetes writes them. */
type Amounts = { readonly cpu?: string; readonly memory?: string };

/** Where the certificate of the webhook comes from. */
export type CertificateSource =
  /** Made here, and kept in a Secret. */
  | {
      readonly kind: 'own';
      readonly namespace: string;
      readonly service: string;
      readonly secret: string;
      readonly webhook: string;
    }
  /** Files that somebody else renews; absolute. */
  | { readonly kind: 'files'; readonly cert: string; readonly key: string };

/** How the injector runs, checked and with every default in place. */
export interface InjectorConfig {
  /** Where the API server asks, by HTTPS. */
  readonly listen: HostPort;
  /** Where metrics and health are served. */
  readonly http: HostPort;
  readonly sidecar: {
    readonly image: string;
    readonly imagePullPolicy: (typeof pullPolicies)[number];
    readonly native: (typeof nativeModes)[number];
    readonly logLevel: LogLevel;
    readonly resources: { readonly requests: Amounts; readonly limits: Amounts };
    readonly httpPort: number;
    readonly runAsUser: number;
  };
  readonly certificates: CertificateSource;
}

const pullPolicies = ['Always', 'IfNotPresent', 'Never'] as const;
const nativeModes = ['auto', 'always', 'never'] as const;

/** RFC 1123, which names of things in a cluster follow. */
const name = text('a name of lower-case letters, digits, - and .', /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/);

const quantity: Shape<string> = scalar(quantityRule, (value) =>
  quantityOf(String(value)) === undefined ? { wrong: `must be ${quantityRule}` } : { value: String(value) },
);

const amounts = section({
  cpu: optional(quantity, 'Of processors.'),
  memory: optional(quantity, 'Of memory.'),
});

/** Where a sidecar serves applications over loopback, in a pod that asks for it. */
const loopbackPort = 50_051;

const sidecarSection = section(
  {
    image: required(text('the reference of an image', imageReference), 'What the sidecar runs.'),
    image_pull_policy: byDefault(choice(pullPolicies), 'IfNotPresent', 'When the kubelet fetches it.'),
    native: byDefault(
      choice(nativeModes),
      'auto',
      'Whether it is a native sidecar (an init container with `restartPolicy: Always`). `auto`: where the API server is of Kubernetes 1.29 or later.',
    ),
    log_level: byDefault(choice(logLevels), 'info', 'Its least level that is logged.'),
    resources: group(
      section(
        {
          requests: group(amounts, 'What it asks for.'),
          limits: group(amounts, 'What it may use.'),
        },
        ({ requests, limits }, place) => {
          for (const name of ['cpu', 'memory'] as const) {
            // No pod could be injected.
            if (isOverLimit(requests?.[name], limits?.[name]))
              place.problem('limits', `the limit of ${name} is below what is requested; raise it`);
          }
        },
      ),
      'Its resources.',
    ),
    http_port: byDefault(integer(1, 65_535), 9464, 'Its port for metrics and health.'),
    run_as_user: byDefault(integer(1, 2 ** 31 - 1), 65_532, 'The user and group that it runs as.'),
  },
  ({ http_port }, place) => {
    if (http_port === loopbackPort)
      place.problem('http_port', `${loopbackPort} is where applications are served over loopback; use another`);
  },
);

const ownSection = section({
  namespace: required(name, "The injector's own namespace."),
  service: required(name, 'The Service by which the API server reaches it.'),
  secret: required(name, 'The Secret in which the certificate is kept.'),
  webhook: required(
    name,
    'The MutatingWebhookConfiguration and the ValidatingWebhookConfiguration that have to trust it: the name of both.',
  ),
});

const filesSection = section({
  certificate: required(path, 'The certificate and those between it and its root, in PEM.'),
  key: required(path, 'Its private key, in PEM.'),
});

const certificatesSection = section(
  {
    own: optional(ownSection, 'The injector makes an authority and a certificate, and renews both.'),
    files: optional(filesSection, 'Files that somebody else renews, cert-manager say; read again when they change.'),
  },
  (_values, place) => {
    if (place.has('own') !== place.has('files')) return;
    place.problem(place.has('own') ? 'files' : 'own', 'exactly one of own and files must be there');
  },
);

const fields = {
  listen: byDefault(
    hostPort,
    { port: 8443 },
    'Where the API server asks, by HTTPS (`POST /mutate`, `POST /validate`).',
    ':8443',
  ),
  http: byDefault(hostPort, { port: 9464 }, 'Where metrics and health are served.', ':9464'),
  sidecar: required(sidecarSection, 'What is put into pods.'),
  certificates: required(certificatesSection, 'Where the certificate of the webhook comes from.'),
};

/** The keys of the injector's file. */
export const injectorFields: typeof fields = fields;

const shape: Shape<Values<typeof fields>> = section(fields);

/**
 * Reads the injector's file. Relative paths are taken from the folder of `file`. Reports everything that is wrong at once
 * and never throws.
 */
export function parseInjectorFile(source: string, file: string): Parsed<InjectorConfig> {
  const collector = new ProblemCollector();
  const read = readShape(readYaml(source, file, collector), shape, { file, collector });
  const certificates = read && certificateSource(read.certificates, (path) => resolve(dirname(file), path));
  return collector.result(
    read &&
      certificates && {
        listen: read.listen,
        http: read.http,
        sidecar: sidecarOf(read.sidecar),
        certificates,
      },
  );
}

function sidecarOf(read: Values<typeof fields>['sidecar']): InjectorConfig['sidecar'] {
  return {
    image: read.image,
    imagePullPolicy: read.image_pull_policy,
    native: read.native,
    logLevel: read.log_level,
    resources: { requests: present(read.resources.requests), limits: present(read.resources.limits) },
    httpPort: read.http_port,
    runAsUser: read.run_as_user,
  };
}

function present({ cpu, memory }: Readonly<Record<keyof Amounts, string | undefined>>): Amounts {
  return { ...(cpu !== undefined && { cpu }), ...(memory !== undefined && { memory }) };
}

function certificateSource(
  { own, files }: Values<typeof fields>['certificates'],
  absolute: (path: string) => string,
): CertificateSource | undefined {
  if (own !== undefined) return { kind: 'own', ...own };
  if (files !== undefined) return { kind: 'files', cert: absolute(files.certificate), key: absolute(files.key) };
  return undefined;
}
