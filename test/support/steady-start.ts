/**
 * Starts daemons where many start at the same time: a port that was free a moment ago may be somebody else's by then, and
 * so may the probe's answer be.
 */
import { access } from 'node:fs/promises';
import type { AwsSimulator } from '../simulators/aws/server.ts';
import { startAwsDaemon } from './aws-tenant.ts';
import type { Daemon } from './daemon.ts';
import type { DaemonFolder } from './daemon-folder.ts';

const attempts = 5;

/** As `startAwsDaemon`, again with other ports where one was taken. Throws what the daemon itself fails with. */
export async function startSteadily(aws: AwsSimulator, folder: DaemonFolder): Promise<Daemon> {
  for (let attempt = 1; ; attempt++) {
    const daemon = await startAwsDaemon(aws, folder).catch((error: unknown) => {
      if (attempt === attempts || !String(error).includes('the address is in use')) throw error;
    });
    if (daemon === undefined) continue;
    const isItsOwn = await access(daemon.socket.replace('unix:', '')).then(
      () => true,
      () => false,
    );
    if (isItsOwn) return daemon;
    await daemon[Symbol.asyncDispose]();
    if (attempt === attempts) throw new Error(`the daemon has no socket:\n${daemon.output()}`);
  }
}
