/**
 * The container, and the volumes that it lives on. Its settings are variables, because no file of keyproxy's is in the
 * application's namespace; `keyproxy serve --from-env` reads them (docs/configuration.md).
 *
 * It meets the Pod Security level "restricted" (https://kubernetes.io/docs/concepts/security/pod-security-standards/).
 */
import type { JsonObject } from './json.ts';
import {
  containerName,
  httpPortName,
  program,
  secretsFolder,
  secretsVolume,
  socketFolder,
  socketPath,
  socketVolume,
  stateFolder,
  stateVolume,
  tcpAddress,
  tenantsFolder,
  tenantsVolume,
  tokensFolder,
  tokensVolume,
} from './names.ts';
import type { SidecarSettings } from './settings.ts';
import type { Wishes } from './wishes.ts';

/** What the container runs, by which it is known again. */
export const sidecarArgs: readonly string[] = ['serve', '--from-env'];

/** Longest start in seconds: as many tries of the startup probe, one a second. */
const longestStart = 120;

/** How long a token is good, in seconds; the kubelet renews it when four fifths of that are over. */
const tokenSeconds = 3600;

/** The volumes of keyproxy in a pod. */
export function volumesFor(wishes: Wishes): JsonObject[] {
  return [
    // In memory, both: a volume on the node's disk would keep the cluster autoscaler from moving the pod
    // (cluster-autoscaler, utils/drain: isLocalVolume).
    { name: socketVolume, emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } },
    { name: tenantsVolume, configMap: { name: wishes.configMap } },
    // A customer's no must outlive a crash of the container.
    { name: stateVolume, emptyDir: { medium: 'Memory', sizeLimit: '16Mi' } },
    ...credentialsFor(wishes).map(({ volume }) => volume),
  ];
}

/** What only keyproxy may read, and where it has it. */
function credentialsFor({
  vaultTokens,
  secret,
}: Wishes): { readonly volume: JsonObject; readonly mountPath: string }[] {
  const sources = vaultTokens.map(({ tenant, audience }) => ({
    serviceAccountToken: { audience, expirationSeconds: tokenSeconds, path: tenant },
  }));
  return [
    ...(sources.length === 0
      ? []
      : [{ volume: { name: tokensVolume, projected: { sources } }, mountPath: tokensFolder }]),
    ...(secret === undefined
      ? []
      : [{ volume: { name: secretsVolume, secret: { secretName: secret } }, mountPath: secretsFolder }]),
  ];
}

/** The mount of the socket's folder; applications can use the socket and cannot replace it. */
export function socketMount({ readOnly }: { readonly readOnly: boolean }): JsonObject {
  return { name: socketVolume, mountPath: socketFolder, ...(readOnly && { readOnly }) };
}

/** All mounts of keyproxy's container. */
export function mountsFor(wishes: Wishes): JsonObject[] {
  return [
    socketMount({ readOnly: false }),
    { name: tenantsVolume, mountPath: tenantsFolder, readOnly: true },
    { name: stateVolume, mountPath: stateFolder },
    ...credentialsFor(wishes).map(({ volume, mountPath }) => ({ name: volume['name'], mountPath, readOnly: true })),
  ];
}

/** The container as this pod wants it. */
export function sidecarFor(wishes: Wishes, settings: SidecarSettings): JsonObject {
  const isNative = settings.form === 'native';
  return {
    name: containerName,
    image: wishes.image,
    imagePullPolicy: settings.imagePullPolicy,
    args: sidecarArgs,
    ...(isNative
      ? { restartPolicy: 'Always' }
      : // The kubelet starts the next container when the hook of the one before has ended.
        { lifecycle: { postStart: { exec: { command: [...program, 'health', '--wait', `${longestStart}`] } } } }),
    env: variables(wishes, settings).map(([name, value]) => ({ name, value })),
    ports: [{ name: httpPortName, containerPort: settings.httpPort, protocol: 'TCP' }],
    resources: wishes.resources,
    volumeMounts: mountsFor(wishes),
    // The containers behind a native sidecar are started when this succeeds.
    startupProbe: { ...probe('/readyz', settings), periodSeconds: 1, failureThreshold: longestStart },
    readinessProbe: { ...probe('/readyz', settings), periodSeconds: 5, failureThreshold: 2 },
    livenessProbe: { ...probe('/livez', settings), periodSeconds: 10, failureThreshold: 3 },
    securityContext: {
      allowPrivilegeEscalation: false,
      capabilities: { drop: ['ALL'] },
      privileged: false,
      readOnlyRootFilesystem: true,
      runAsGroup: settings.runAsUser,
      runAsNonRoot: true,
      runAsUser: settings.runAsUser,
      seccompProfile: { type: 'RuntimeDefault' },
    },
    terminationMessagePolicy: 'FallbackToLogsOnError',
  };
}

/** Where the container listens, by variable. */
export const listenVariables: readonly (readonly [string, string])[] = [
  ['KEYPROXY_LISTEN_UNIX', socketPath],
  // The volume is the pod's own: its mounts say who can open the socket, whatever user they run as.
  ['KEYPROXY_LISTEN_UNIX_MODE', '0666'],
];

/** What the container is told, by variable. */
export function variables(wishes: Wishes, settings: SidecarSettings): (readonly [string, string])[] {
  return [
    ...listenVariables,
    ...(wishes.tcp
      ? ([
          ['KEYPROXY_LISTEN_TCP', tcpAddress],
          ['KEYPROXY_LISTEN_TCP_IDENTITY', 'insecure_loopback'],
          ['KEYPROXY_ALLOW_ANONYMOUS', 'true'],
        ] satisfies [string, string][])
      : []),
    // Every interface, in IPv6 clusters too: the kubelet's probes and Prometheus come to the pod's address.
    ['KEYPROXY_HTTP_ADDRESS', `:${settings.httpPort}`],
    ['KEYPROXY_TENANTS_DIRECTORY', tenantsFolder],
    ...(wishes.tenants === undefined ? [] : ([['KEYPROXY_TENANTS', wishes.tenants.join(',')]] as [string, string][])),
    ['KEYPROXY_STATE_DIRECTORY', stateFolder],
    ['KEYPROXY_LOG_LEVEL', wishes.logLevel],
  ];
}

function probe(path: string, { httpPort }: SidecarSettings): JsonObject {
  return { httpGet: { path, port: httpPort }, timeoutSeconds: 2 };
}
