/** A connection of `src/h2` with a peer made by hand, a clock that the test moves, and streams that the test answers. */
import { Connection } from '../../src/h2/connection.ts';
import type { Source } from '../../src/h2/frame-writer.ts';
import type { HeaderList } from '../../src/h2/hpack/field.ts';
import { defaultLimits, type Limits } from '../../src/h2/limits.ts';
import type { RequestHead } from '../../src/h2/request.ts';
import type { Stream, StreamUser } from '../../src/h2/stream.ts';
import type { OnStream } from '../../src/h2/stream-frames.ts';
import { FakeClock } from './fake-clock.ts';
import { BlockWriter, type Frame, FrameSplitter, FrameTeller, greeting, settings, settingsAck } from './frames.ts';
import { MemorySocket, settled } from './memory-socket.ts';

/** A stream as its owner sees it: what it was told, in order. */
export interface Told {
  readonly stream: Stream;
  readonly head: RequestHead;
  readonly isEnd: boolean;
  /** The body so far. */
  body: Buffer;
  /** `data 5`, `end`, `end x=y` with trailers, `drained`, `reset 8`. */
  readonly events: string[];
}

export interface SceneOptions {
  readonly limits?: Partial<Limits>;
  /** Whether the body is taken at once; yes, where nothing is said. */
  readonly takes?: boolean;
  /** Takes the requests, in the place of all below. */
  readonly onStream?: OnStream;
  /** Called when what came together has been read. */
  readonly onPause?: () => void;
  /** Called when a request begins. */
  readonly onBegin?: (told: Told) => void;
  /** Called when a request is whole. */
  readonly onEnd?: (told: Told) => void;
  /** Says nothing by itself, not even the preface. */
  readonly silent?: boolean;
  /** Of the peer. */
  readonly peerSettings?: readonly (readonly [number, number])[];
  readonly random?: () => number;
}

export class Scene {
  readonly clock = new FakeClock();
  readonly socket = new MemorySocket();
  readonly connection: Connection;
  readonly blocks = new BlockWriter();
  readonly streams = new Map<number, Told>();
  readonly failures: unknown[] = [];
  closed = 0;
  readonly #splitter = new FrameSplitter();
  readonly #teller = new FrameTeller();
  readonly #options: SceneOptions;
  #read = 0;

  constructor(options: SceneOptions = {}) {
    this.#options = options;
    this.connection = new Connection(this.socket.asSocket, {
      clock: this.clock,
      limits: { ...defaultLimits, ...options.limits },
      random: options.random ?? (() => 0.5),
      onStream: options.onStream ?? this.#onStream,
      onTooLarge: (stream) => stream.headers([{ name: ':status', value: '431' }], true),
      onPause: () => options.onPause?.(),
      onClosed: () => {
        this.closed++;
      },
      onFailure: (error) => this.failures.push(error),
    });
  }

  /** The peer sends this, as one chunk. */
  send(...frames: readonly Buffer[]): void {
    this.socket.receive(Buffer.concat(frames));
  }

  /** What the server has said since it was asked last, once all has come to rest. */
  async frames(): Promise<Frame[]> {
    await settled();
    const chunks = this.socket.writes.slice(this.#read);
    this.#read = this.socket.writes.length;
    return chunks.flatMap((chunk) => this.#splitter.split(chunk));
  }

  /** The same in words. */
  async said(): Promise<string[]> {
    return (await this.frames()).map((frame) => this.#teller.line(frame));
  }

  /** Sends this and returns what the server says to it. */
  answer(...frames: readonly Buffer[]): Promise<string[]> {
    this.send(...frames);
    return this.said();
  }

  /** The stream of this number. Throws where it has not begun. */
  told(id: number): Told {
    const told = this.streams.get(id);
    if (told === undefined) throw new Error(`stream ${id} has not begun`);
    return told;
  }

  /** Time passes, and the connection is looked at. */
  check(milliseconds: number): void {
    this.clock.advance(milliseconds);
    this.connection.check();
  }

  readonly #onStream: OnStream = (stream, head, isEnd) => {
    const told: Told = { stream, head, isEnd, body: Buffer.alloc(0), events: [] };
    this.streams.set(stream.id, told);
    this.#options.onBegin?.(told);
    const user: StreamUser = {
      onData: (bytes, start, end) => {
        told.body = Buffer.concat([told.body, bytes.subarray(start, end)]);
        told.events.push(`data ${end - start}`);
        if (this.#options.takes !== false) stream.grant(end - start);
      },
      onEnd: (trailers) => {
        told.events.push(['end', ...(trailers ?? []).map(({ name, value }) => `${name}=${value}`)].join(' '));
        this.#options.onEnd?.(told);
      },
      onDrained: () => told.events.push('drained'),
      onReset: (code) => told.events.push(`reset ${code}`),
    };
    return user;
  };
}

/** A connection whose greetings have been said both ways. */
export async function openScene(options: SceneOptions = {}): Promise<Scene> {
  const scene = new Scene(options);
  await settled();
  if (options.silent) return scene;
  scene.send(greeting, settings(...(options.peerSettings ?? [])), settingsAck);
  await scene.frames();
  return scene;
}

/** So many bytes of one letter, to be sent. */
export function letters(size: number, letter = 'x'): Source {
  return { size, writeTo: (target, at) => void target.fill(letter, at, at + size) };
}

export const okHead: HeaderList = [{ name: ':status', value: '200' }];

/** Answers with a head, `size` bytes and the end, and the work is done. */
export function answerWith(size: number): (told: Told) => void {
  return ({ stream }) => {
    stream.headers(okHead);
    stream.data(letters(size), true);
    stream.done();
  };
}
