/** A file system that has no Unix sockets, as FAT has none. */
import { Server } from 'node:net';
import { onTestFinished, vi } from 'vitest';

/** The next server that listens is told so; for the length of the test. */
export function withoutUnixSockets(): void {
  const listen = vi.spyOn(Server.prototype, 'listen').mockImplementationOnce(function (this: Server) {
    process.nextTick(() => this.emit('error', Object.assign(new Error('no'), { code: 'EPERM' })));
    return this;
  });
  onTestFinished(() => listen.mockRestore());
}
