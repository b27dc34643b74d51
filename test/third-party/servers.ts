/** The servers of this suite: how each is started, and whose part it plays. */
import { join } from 'node:path';
import type { ProviderName } from '../../src/kms/key-service.ts';
import { freePort } from '../support/daemon.ts';
import { identity } from './aws-identity.ts';
import type { ProgramName } from './programs.ts';
import { type RunningServer, startServer } from './server-process.ts';

export interface ServerDescription {
  /** The provider whose service it stands for. */
  readonly provider: ProviderName;
  /** Starts one from the folder that its program was installed in. */
  start(folder: string): Promise<RunningServer>;
}

/** OpenBao's root token in its development mode: a made-up one, for a server that lives as long as the run. */
export const rootToken = 'third-party-root';

/** By the name of the program; the files of tests that begin with that name are about it. */
export const servers = {
  moto: {
    provider: 'aws_kms',
    async start(folder) {
      const port = await freePort();
      return startServer({
        program: join(folder, 'bin/python'),
        args: ['-m', 'moto.server', '-H', '127.0.0.1', '-p', String(port)],
        endpoint: `http://127.0.0.1:${port}`,
        readyPath: '/moto-api/data.json',
      });
    },
  },
  ministack: {
    provider: 'aws_kms',
    async start(folder) {
      const port = await freePort();
      return startServer({
        program: join(folder, 'bin/python'),
        args: ['-m', 'ministack'],
        cwd: folder,
        env: {
          BIND_HOST: '127.0.0.1',
          GATEWAY_PORT: String(port),
          SERVICES: 'kms,sts,iam',
          IOT_MTLS_ENABLED: '0',
          SFTP_ENABLED: '0',
          // Signatures and policies are checked; the owner's identity is the account's root.
          AUTH: 'true',
          AWS_ACCESS_KEY_ID: identity.accessKeyId,
          AWS_SECRET_ACCESS_KEY: identity.secretAccessKey,
        },
        endpoint: `http://127.0.0.1:${port}`,
        readyPath: '/_ministack/health',
      });
    },
  },
  openbao: {
    provider: 'vault',
    async start(folder) {
      const port = await freePort();
      return startServer({
        program: join(folder, 'openbao'),
        args: ['server', '-dev', '-dev-no-store-token', `-dev-listen-address=127.0.0.1:${port}`],
        cwd: folder,
        env: { BAO_DEV_ROOT_TOKEN_ID: rootToken },
        endpoint: `http://127.0.0.1:${port}`,
        readyPath: '/v1/sys/health',
      });
    },
  },
} as const satisfies Readonly<Partial<Record<ProgramName, ServerDescription>>>;

export type ServerName = keyof typeof servers;

/** All names, in the order of reports. */
export const serverNames = Object.keys(servers) as ServerName[];

/** The origin of each server; absent where it does not run. */
export type Endpoints = Partial<Record<ServerName, string>>;
