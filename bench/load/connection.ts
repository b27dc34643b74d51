/** One HTTP/2 connection that keeps a number of equal calls in flight and judges every answer. */
import { connect, type Socket } from 'node:net';
import {
  ack,
  endStream,
  frame,
  frameTypes,
  headLength,
  initialWindow,
  preface,
  RequestBytes,
  windowUpdate,
} from './frames.ts';

/** What is called. */
export interface Target {
  /** Path of the server's Unix socket. */
  readonly socket: string;
  /** `/package.Service/Method`. */
  readonly path: string;
  /** The request with its five-byte prefix. */
  readonly body: Buffer;
}

/** How a call ended: its trailers as they came, the bytes of its answer, its time in milliseconds. */
export interface Ending {
  /** Undefined where the stream was reset. */
  readonly trailers: Buffer | undefined;
  readonly bytes: number;
  readonly milliseconds: number;
}

interface Stream {
  readonly start: number;
  bytes: number;
}

/** Bytes of answers after which the server's window is opened again. */
const windowStep = 2 ** 24;

export class LoadConnection {
  readonly #socket: Socket;
  readonly #target: Target;
  readonly #requests: RequestBytes;
  readonly #onEnd: (ending: Ending) => void;
  readonly #streams = new Map<number, Stream>();
  #nextStream = 1;
  #window = initialWindow;
  #received = 0;
  #wanted = 0;
  #rest: Buffer = Buffer.alloc(0);
  #out: Buffer[] = [];

  private constructor(socket: Socket, target: Target, onEnd: (ending: Ending) => void) {
    this.#socket = socket;
    this.#target = target;
    this.#requests = new RequestBytes(target.path, target.body);
    this.#onEnd = onEnd;
    socket.on('data', (chunk: Buffer) => this.#take(chunk));
    socket.write(preface());
  }

  /** Connects; `onEnd` is told of every call's end. Rejects where nobody listens. */
  static open(target: Target, onEnd: (ending: Ending) => void): Promise<LoadConnection> {
    return new Promise((done, fail) => {
      const socket = connect({ path: target.socket });
      socket.once('error', fail);
      socket.once('connect', () => {
        socket.off('error', fail);
        // A connection that breaks leaves calls without an end, which the counts show.
        socket.on('error', () => socket.destroy());
        done(new LoadConnection(socket, target, onEnd));
      });
    });
  }

  /** Calls under way. */
  get inFlight(): number {
    return this.#streams.size;
  }

  /** Starts `count` calls more, as far as flow control lets them; the others follow when it does. */
  start(count: number): void {
    this.#wanted += count;
    this.#send();
  }

  close(): void {
    this.#socket.destroy();
  }

  #send(): void {
    const now = performance.now();
    const size = this.#target.body.length;
    for (; this.#wanted > 0 && this.#window >= size; this.#wanted--) {
      this.#window -= size;
      this.#streams.set(this.#nextStream, { start: now, bytes: 0 });
      this.#out.push(this.#requests.on(this.#nextStream));
      this.#nextStream += 2;
    }
    if (this.#out.length === 0) return;
    this.#socket.write(Buffer.concat(this.#out));
    this.#out = [];
  }

  #take(chunk: Buffer): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    let at = 0;
    while (bytes.length - at >= headLength) {
      const end = at + headLength + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      this.#handle(bytes.readUInt8(at + 3), bytes.readUInt8(at + 4), {
        stream: bytes.readUInt32BE(at + 5),
        payload: bytes.subarray(at + headLength, end),
      });
      at = end;
    }
    this.#rest = bytes.subarray(at);
    this.#send();
  }

  #handle(type: number, flags: number, { stream, payload }: { stream: number; payload: Buffer }): void {
    switch (type) {
      case frameTypes.data:
        this.#count(stream, payload.length);
        if (flags & endStream) this.#end(stream, undefined);
        return;
      case frameTypes.headers:
        if (flags & endStream) this.#end(stream, payload);
        return;
      case frameTypes.resetStream:
        this.#end(stream, undefined);
        return;
      case frameTypes.settings:
      case frameTypes.ping:
        if (!(flags & ack)) {
          this.#out.push(frame(type, ack, 0, type === frameTypes.ping ? payload : Buffer.alloc(0)));
        }
        return;
      case frameTypes.windowUpdate:
        if (stream === 0) this.#window += payload.readUInt32BE(0);
        return;
      case frameTypes.goAway:
        this.#socket.destroy();
    }
  }

  #count(stream: number, bytes: number): void {
    const open = this.#streams.get(stream);
    if (open !== undefined) open.bytes += bytes;
    this.#received += bytes;
    if (this.#received < windowStep) return;
    this.#out.push(windowUpdate(this.#received));
    this.#received = 0;
  }

  #end(stream: number, trailers: Buffer | undefined): void {
    const open = this.#streams.get(stream);
    if (open === undefined) return;
    this.#streams.delete(stream);
    this.#onEnd({ trailers, bytes: open.bytes, milliseconds: performance.now() - open.start });
  }
}
