/** What a process that is killed leaves of a lock. */
import { once } from 'node:events';
import { link } from 'node:fs/promises';
import { createServer } from 'node:net';

/** Puts a socket at `path` that nobody listens on. */
export async function leaveDeadSocket(path: string): Promise<void> {
  const server = createServer();
  const bound = `${path}.bound`;
  server.listen(bound);
  await once(server, 'listening');
  await link(bound, path);
  server.close();
  await once(server, 'close');
}
