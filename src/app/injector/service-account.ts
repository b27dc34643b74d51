/**
 * Where the API server is and what shows it who asks: the files and variables that Kubernetes puts into every pod
 * (https://kubernetes.io/docs/tasks/run-application/access-api-from-pod/).
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { codeOf } from '../../base/system-code.ts';
import { StartupError } from '../startup-error.ts';

const defaultFolder = '/var/run/secrets/kubernetes.io/serviceaccount';

export interface ServiceAccount {
  readonly host: string;
  readonly port: number;
  /** Who vouches for the API server as of now, in PEM: a cluster can get another authority. */
  ca(): Promise<string>;
  /** The token as it is now: the kubelet renews it. */
  token(): Promise<string>;
}

/** Reads it. Throws a StartupError where this is no pod with a service account. */
export async function openServiceAccount(env: Readonly<Record<string, string | undefined>>): Promise<ServiceAccount> {
  const host = env['KUBERNETES_SERVICE_HOST'];
  const port = Number(env['KUBERNETES_SERVICE_PORT'] || '443');
  if (!host || !Number.isInteger(port)) {
    throw new StartupError(
      'cannot find the API server: KUBERNETES_SERVICE_HOST and KUBERNETES_SERVICE_PORT are not set, as they are in a pod; run it there, or use certificates.files and native: always or never',
    );
  }
  const folder = env['KEYPROXY_SERVICE_ACCOUNT_DIRECTORY'] || defaultFolder;
  const read = async (name: string) => {
    const file = join(folder, name);
    return await readFile(file, 'utf8').catch((error) => {
      throw new StartupError(`cannot read ${file} of the service account: ${codeOf(error)}`, error);
    });
  };
  const token = async () => (await read('token')).trim();
  const ca = () => read('ca.crt');
  await Promise.all([token(), ca()]);
  return { host, port, ca, token };
}
