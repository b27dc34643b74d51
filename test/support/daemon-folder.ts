/** A folder with a daemon's file and tenants' files, as an operator would write them. */
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createLocalKeyFile } from '../../src/kms/local/key-file.ts';
import { type DaemonOptions, temporaryFolder } from './daemon.ts';

export interface DaemonFolder extends AsyncDisposable {
  readonly path: string;
  /** The folder of tenant files. */
  readonly tenants: string;
  /** Puts a file there, mode 0600. */
  write(name: string, content: string): Promise<void>;
  /** What `startDaemon` needs to serve from here. */
  readonly start: DaemonOptions;
}

/** The socket of the daemon, in its folder. */
const socket = 'keyproxy.sock';

/** Another transport than the default for all listeners, to run the same tests on it. */
export const otherTransport = process.env['KEYPROXY_TEST_TRANSPORT'];
const everywhere = otherTransport === undefined ? '' : `, transport: ${otherTransport}`;

/** The daemon's file; environment variables of `startDaemon` put in free ports. */
function daemonFile(extra: string, listener: string): string {
  return `
environment: test
listen:
  - { unix: ${socket}, mode: "0600"${listener === '' ? everywhere : `, ${listener}`} }
  - { tcp: "127.0.0.1:50051", identity: insecure_loopback${everywhere} }
http: { address: "127.0.0.1:9464" }
tenants: { directory: tenants }
policy: policy.yaml
${extra}
`;
}

/** Whoever comes may do everything. */
const everybody = `
rules:
  - { callers: [socket, anonymous], tenants: ["*"], operations: ["*"] }
`;

/**
 * Makes the folder; `extra` is added to the daemon's file, `listener` to the entry of its Unix socket, `tenants` are files by name, and `cmk.key` is a key for
 * tenants of the local provider.
 */
export async function daemonFolder(
  options: {
    readonly extra?: string;
    readonly listener?: string;
    readonly tenants?: Readonly<Record<string, string>>;
    /** The policy's file; without it everybody may do everything. */
    readonly policy?: string;
  } = {},
): Promise<DaemonFolder> {
  const folder = await temporaryFolder();
  const { path } = folder;
  const tenants = join(path, 'tenants');
  await mkdir(tenants);
  await createLocalKeyFile(join(path, 'cmk.key'));
  await writeFile(join(path, 'keyproxy.yaml'), daemonFile(options.extra ?? '', options.listener ?? ''));
  await writeFile(join(path, 'policy.yaml'), options.policy ?? everybody);
  for (const [name, text] of Object.entries(options.tenants ?? {})) await writeFile(join(tenants, name), text);
  return {
    path,
    tenants,
    write: (name, content) => writeFile(join(path, name), content, { mode: 0o600 }),
    start: { cwd: path, args: ['--config', 'keyproxy.yaml'], socket },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

/** A tenant's file for the local provider and the folder's own key; `more` is added under `encryption`. */
export function localTenant(id: string, options: { keyFile?: string; more?: string } = {}): string {
  const { keyFile = '../cmk.key', more = '' } = options;
  return `
customer: ${id}
tenant_id: ${id}
encryption:
  provider: local
  local: { key_name: key-of-${id}, key_file: ${keyFile} }
${more}
`;
}
