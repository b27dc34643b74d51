/**
 * What things are called in a cluster. All of it is a contract: charts, dashboards and pods of others use these names.
 */

/** The label by which a pod asks for keyproxy, with the value `true`. */
export const injectLabel = 'keyproxy.io/inject';

/** Every annotation of keyproxy begins with this. */
export const annotationPrefix = 'keyproxy.io/';

/** The annotation that the injector writes, and its value. */
export const statusAnnotation = 'keyproxy.io/status';
export const injectedStatus = 'injected';

/** The annotation by which kubectl knows which container is meant where none is named. */
export const defaultContainerAnnotation = 'kubectl.kubernetes.io/default-container';

/** The container that is added. */
export const containerName = 'keyproxy';

/** The volume of the socket, and where it is mounted in every container. */
export const socketVolume = 'keyproxy-socket';
export const socketFolder = '/run/keyproxy';
export const socketPath = '/run/keyproxy/keyproxy.sock';

/** The volume of the tenants' ConfigMap, and where keyproxy has it. */
export const tenantsVolume = 'keyproxy-tenants';
export const tenantsFolder = '/etc/keyproxy/tenants';

/** The volume of service-account tokens for tenants' Vaults, and where keyproxy looks for them (config/vault-block.ts). */
export const tokensVolume = 'keyproxy-vault-tokens';
export const tokensFolder = '/var/run/secrets/keyproxy/tokens';

/** The volume of the Secret with credentials in files, and where keyproxy has it. */
export const secretsVolume = 'keyproxy-secrets';
export const secretsFolder = '/var/run/secrets/keyproxy/files';

/** The volume of what outlives a restart of the container, and where keyproxy has it. */
export const stateVolume = 'keyproxy-state';
export const stateFolder = '/var/lib/keyproxy';

/** The variable that tells an application where keyproxy is, and its value. */
export const addressVariable = 'KEYPROXY_ADDRESS';
export const address = `unix://${socketPath}`;

/** The ConfigMap of tenants' files where no annotation names one. */
export const defaultConfigMap = 'keyproxy-tenants';

/** The port's name, for monitors. At most 15 characters (RFC 6335, section 5.1). */
export const httpPortName = 'keyproxy-http';

/** Where keyproxy listens on loopback in a pod that asks for it. */
export const tcpAddress = '127.0.0.1:50051';
export const tcpPort = 50051;

/** How the program is started in the image (Dockerfile), where Kubernetes does not start it by the image's own entry. */
export const program: readonly string[] = ['/nodejs/bin/node', '/opt/keyproxy/keyproxy.js'];
