/**
 * Floods a server from a process of its own: `flood-attacker.ts SOCKET FLOOD [CONNECTIONS]`, with a channel to its
 * parent. Sends `'started'` when the connections are made, and at the message `'report'` what it has done so far.
 */
import { emptyReport, floodConnection } from './flood-connection.ts';
import { floodOf } from './floods.ts';

const [path = '', name = '', connections] = process.argv.slice(2);
const flood = floodOf(name);
const report = emptyReport();
const stop = new AbortController();
process.on('message', () => process.send?.(report));
process.once('disconnect', () => stop.abort());
// The first pieces are there before the clock starts.
for (let at = 0; at < 12; at++) flood.piece(at);
for (let at = 0; at < Number(connections ?? flood.connections); at++) {
  floodConnection(flood, path, { report, signal: stop.signal });
}
process.send?.('started');
