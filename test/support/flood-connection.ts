/** One connection of a flood: writes as fast as the socket takes it, comes back when it is cut, and keeps count. */
import { connect, type Socket } from 'node:net';
import { frameReader, greeting, types } from './flood-frames.ts';
import type { Flood } from './floods.ts';

/** What all connections of a flood did, and what was said to them. */
export interface FloodReport {
  connections: number;
  /** As far as the kernel has taken them. */
  frames: number;
  bytes: number;
  /** How connections ended: code and words of GOAWAY, or `no last word`; and how many did so. */
  readonly ends: Record<string, number>;
  /** RST_STREAM that came, by code. */
  readonly resets: Record<string, number>;
  /** HEADERS that came. */
  answers: number;
}

/** Pieces that wait for the kernel. */
const ahead = 2;
/** The largest window, in bytes. */
const largestWindow = 2 ** 31 - 1;

export function emptyReport(): FloodReport {
  return { connections: 0, frames: 0, bytes: 0, ends: {}, resets: {}, answers: 0 };
}

/** Floods `path` until the signal is aborted. */
export function floodConnection(flood: Flood, path: string, { report, signal }: FloodOptions): void {
  if (signal.aborted) return;
  report.connections++;
  const socket = connect({ path });
  let end = 'no last word';
  const stop = () => socket.destroy();
  signal.addEventListener('abort', stop);
  socket.on('error', () => {});
  socket.once('close', () => {
    signal.removeEventListener('abort', stop);
    if (signal.aborted) return;
    report.ends[end] = (report.ends[end] ?? 0) + 1;
    setImmediate(() => floodConnection(flood, path, { report, signal }));
  });
  if (flood.isReading) {
    const read = frameReader(({ type, payload }) => {
      if (type === types.headers) report.answers++;
      else if (type === types.rstStream) count(report.resets, String(payload.readUInt32BE(0)));
      else if (type === types.goAway) {
        end = `GOAWAY ${payload.readUInt32BE(4)}: ${payload.toString('latin1', 8)}`;
        socket.destroy();
      }
    });
    socket.on('data', read);
  }
  socket.write(
    Buffer.concat([greeting({ stream: flood.window ?? largestWindow, connection: largestWindow }), flood.opening]),
  );
  for (let at = 0; at < ahead; at++) write(socket, flood, { report, at, step: ahead });
}

export interface FloodOptions {
  readonly report: FloodReport;
  readonly signal: AbortSignal;
}

interface Writing {
  readonly report: FloodReport;
  readonly at: number;
  readonly step: number;
}

/** Writes a piece, and the one that is `step` further once it has gone. */
function write(socket: Socket, flood: Flood, { report, at, step }: Writing): void {
  const piece = flood.piece(at);
  if (piece === undefined) return;
  socket.write(piece.bytes, (error) => {
    if (error !== undefined && error !== null) return;
    report.frames += piece.frames;
    report.bytes += piece.bytes.length;
    const next = () => write(socket, flood, { report, at: at + step, step });
    // Not at once: a socket that takes everything would leave no turn in which to read.
    if (flood.everyMs === undefined) setImmediate(next);
    else setTimeout(next, flood.everyMs * step);
  });
}

function count(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}
