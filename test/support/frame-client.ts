/** A gRPC client made of frames over a real socket: it sends what a test says, and keeps what came for each stream. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import {
  BlockWriter,
  data,
  type Fields,
  FrameSplitter,
  FrameTeller,
  greeting,
  requestFields,
  settings,
  settingsAck,
  windowUpdate,
} from './frames.ts';

/** What came for one stream so far. */
export interface Answer {
  /** Fields of the head, and of the end; the same where there is no body. */
  head: Readonly<Record<string, string>>;
  end: Readonly<Record<string, string>>;
  body: Buffer;
  hasEnded: boolean;
  /** The code of RST_STREAM. */
  reset: number | undefined;
}

/** A message in its prefix. */
export function prefixed(message: Buffer | string, flag = 0): Buffer {
  const bytes = Buffer.from(message);
  const head = Buffer.alloc(5);
  head[0] = flag;
  head.writeUInt32BE(bytes.length, 1);
  return Buffer.concat([head, bytes]);
}

/** The messages of a body, each with its flag. Throws where the last one is cut. */
export function messagesOf(body: Buffer): { flag: number; bytes: Buffer }[] {
  const messages: { flag: number; bytes: Buffer }[] = [];
  for (let at = 0; at < body.length; ) {
    const end = at + 5 + body.readUInt32BE(at + 1);
    if (end > body.length) throw new Error('a message is cut');
    messages.push({ flag: body[at] ?? 0, bytes: body.subarray(at + 5, end) });
    at = end;
  }
  return messages;
}

/** The texts of an answer's messages. */
export function textsOf({ body }: Answer): string[] {
  return messagesOf(body).map(({ bytes }) => bytes.toString());
}

/** Fields of a well-formed call. */
export function callFields(path: string, more: Fields = []): Fields {
  return requestFields([['content-type', 'application/grpc'], ['te', 'trailers'], ...more], path);
}

const grpcEnd = ['grpc-status', 'grpc-message'] as const;

/** How a call ended: `0`, or `13 some words`. */
export function statusOf({ end }: Answer): string {
  const [code = 'none', message = ''] = grpcEnd.map((name) => end[name]);
  return `${code} ${decodeURIComponent(message)}`.trim();
}

export class FrameClient implements Disposable {
  readonly blocks = new BlockWriter();
  readonly socket: Socket;
  /** Every frame but those of streams, in words. */
  readonly said: string[] = [];
  /** WINDOW_UPDATE of the streams, as stream and increment. */
  readonly credits: { readonly id: number; readonly increment: number }[] = [];
  #next = 1;
  #isClosed = false;
  readonly #answers = new Map<number, Answer>();
  readonly #splitter = new FrameSplitter();
  readonly #teller = new FrameTeller();
  #waiters: { readonly isDue: () => boolean; readonly done: () => void }[] = [];

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('error', () => {});
    socket.on('data', (chunk: Buffer) => this.#read(chunk));
    socket.once('close', () => {
      this.#isClosed = true;
      this.#wake();
    });
  }

  /**
   * Connects to a path or to `host:port`, and greets; the windows are as wide as they get, unless settings say
   * otherwise.
   */
  static async connect(place: string, own: readonly (readonly [number, number])[] = [[4, 2 ** 31 - 1]]) {
    const [host = '', port] = place.split(':');
    const socket = port === undefined ? connect(place) : connect(Number(port), host);
    await once(socket, 'connect');
    const client = new FrameClient(socket);
    client.send(greeting, settings(...own), settingsAck, windowUpdate(0, 2 ** 31 - 1 - 65_535));
    return client;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  send(...frames: readonly Buffer[]): void {
    this.socket.write(Buffer.concat(frames));
  }

  /** The number of the next stream. */
  nextId(): number {
    const id = this.#next;
    this.#next += 2;
    return id;
  }

  /** Begins a call, and leaves its end open; returns the stream's number. */
  open(path: string, parts: readonly Buffer[] = [], more: Fields = []): number {
    const id = this.nextId();
    this.send(this.blocks.headers(id, callFields(path, more)), ...parts.flatMap((part) => this.#data(id, part)));
    return id;
  }

  /** Makes a whole call, each part in a frame of its own, and returns what came once it has ended. */
  call(path: string, parts: readonly Buffer[], more: Fields = []): Promise<Answer> {
    const id = this.open(path, parts, more);
    this.send(data(id, '', 'end'));
    return this.ended(id);
  }

  /** What came for a stream so far. */
  answer(id: number): Answer {
    let answer = this.#answers.get(id);
    if (answer === undefined) {
      answer = { head: {}, end: {}, body: Buffer.alloc(0), hasEnded: false, reset: undefined };
      this.#answers.set(id, answer);
    }
    return answer;
  }

  /** Resolves once the answer has ended, or the stream was reset. Rejects where the connection closes before. */
  async ended(id: number): Promise<Answer> {
    const answer = this.answer(id);
    await this.until(() => answer.hasEnded || answer.reset !== undefined);
    return answer;
  }

  /** Resolves once something holds, which is asked after every chunk. Rejects where the connection closes before. */
  async until(isDue: () => boolean): Promise<void> {
    if (!isDue() && !this.#isClosed) {
      await new Promise<void>((done) => {
        this.#waiters.push({ isDue: () => isDue() || this.#isClosed, done });
      });
    }
    if (!isDue()) throw new Error(`the connection closed: ${this.said.join(', ')}`);
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }

  #data(id: number, part: Buffer): Buffer[] {
    const frames: Buffer[] = [];
    for (let at = 0; at === 0 || at < part.length; at += 16_384) frames.push(data(id, part.subarray(at, at + 16_384)));
    return frames;
  }

  #read(chunk: Buffer): void {
    for (const frame of this.#splitter.split(chunk)) {
      const { type, flags, id, payload } = frame;
      const answer = this.answer(id);
      if (id === 0) this.said.push(this.#teller.line(frame));
      else if (type === 0) answer.body = Buffer.concat([answer.body, payload]);
      else if (type === 3) answer.reset = payload.readUInt32BE();
      else if (type === 8) this.credits.push({ id, increment: payload.readUInt32BE() });
      const fields = this.#teller.fieldsOf(frame);
      if (fields !== undefined) {
        answer.end = Object.fromEntries(fields);
        if (answer.end[':status'] !== undefined) answer.head = answer.end;
      }
      if (type < 2 && (flags & 1) !== 0) answer.hasEnded = true;
    }
    this.#wake();
  }

  #wake(): void {
    const due = this.#waiters.filter(({ isDue }) => isDue());
    this.#waiters = this.#waiters.filter((waiter) => !due.includes(waiter));
    for (const { done } of due) done();
  }
}
