/**
 * The user of a stream, told by a byte what to do: answers at once, at the end of the request, later or never, gives
 * the stream up, lets the peer send more or does not. It sees to it that it is told things in a legal order.
 */
import { errorCodes } from '../../../src/h2/frames.ts';
import type { HeaderList } from '../../../src/h2/hpack/field.ts';
import type { RequestHead } from '../../../src/h2/request.ts';
import type { Stream, StreamUser } from '../../../src/h2/stream.ts';
import { bodyByte, Said } from './said.ts';

const heads: readonly HeaderList[] = [
  [
    { name: ':status', value: '200' },
    { name: 'content-type', value: 'application/grpc' },
  ],
  [
    { name: ':status', value: '200' },
    { name: 'x-one', value: 'v'.repeat(40) },
    { name: 'set-cookie', value: 'secret' },
  ],
  [
    { name: ':status', value: '404' },
    ...Array.from({ length: 9 }, (_, at) => ({ name: `x-${at}`, value: 'w'.repeat(90) })),
  ],
];
const trailers: readonly HeaderList[] = [
  [{ name: 'grpc-status', value: '0' }],
  [
    { name: 'grpc-status', value: '13' },
    { name: 'grpc-message', value: 'no' },
  ],
];
const sizes = [5, 0, 700, 40_000] as const;

/** What a user needs of the execution. */
export interface Scene {
  /** Tells of a broken promise. */
  readonly fault: (what: string) => void;
  /** How many bytes the connection has made so far. */
  readonly made: () => number;
  /** Whether the connection has said its last word. */
  readonly isOver: () => boolean;
  /** An answer had to wait. */
  readonly waited: () => void;
}

export class FuzzUser implements StreamUser {
  readonly stream: Stream;
  readonly said = new Said();
  /** What it was told, in short. */
  readonly events: string[] = [];
  received = 0;
  granted = 0;
  isDone = false;
  readonly #scene: Scene;
  readonly #how: number;
  #hasEnd = false;
  #hasReset = false;

  constructor(stream: Stream, how: number, scene: Scene) {
    this.stream = stream;
    this.#how = how;
    this.#scene = scene;
  }

  /** The request has begun. */
  begin(head: RequestHead, isEnd: boolean): void {
    this.events.push(`begin ${JSON.stringify(head)} ${isEnd}`);
    const how = this.#how & 7;
    if (how === 1) this.#answer();
    else if (how === 4) this.act(6);
    else if (how === 6) this.act(4);
    else if (how === 7) this.act(0);
  }

  /** The request is refused unread. */
  refuse(): void {
    this.events.push('refuse');
    this.#headers([{ name: ':status', value: '431' }], true);
  }

  onData(bytes: Buffer, start: number, end: number): void {
    this.#check('data');
    if (this.#hasEnd) this.#scene.fault('data comes after the end of a request');
    if (end <= start) this.#scene.fault('data comes without a byte');
    this.events.push(`data ${bytes.toString('latin1', start, end)}`);
    this.received += end - start;
    const how = this.#how & 7;
    if (how === 3) this.act(4);
    if (how === 7) this.#data(end - start, false);
    if ((this.#how & 0x20) === 0) this.act(5);
  }

  onEnd(fields: HeaderList | undefined): void {
    this.#check('the end');
    if (this.#hasEnd) this.#scene.fault('a request ends twice');
    this.#hasEnd = true;
    this.events.push(`end ${JSON.stringify(fields)}`);
    const how = this.#how & 7;
    if (how === 0) this.#answer();
    else if (how === 7) this.act(3);
    if ((this.#how & 0x40) === 0) this.done();
  }

  onDrained(): void {
    if (this.#hasReset) this.#scene.fault('a stream that was reset has drained');
    if (!this.stream.isDrained && this.stream.state !== 'closed')
      this.#scene.fault('a stream has drained and says it has not');
    if ((this.#how & 0x87) === 0x87) this.act(3);
  }

  onReset(code: number): void {
    if (this.#hasReset) this.#scene.fault('a stream is reset twice');
    this.#hasReset = true;
    this.events.push(`reset ${code}`);
    if (this.stream.state !== 'closed') this.#scene.fault('a stream was reset and is not closed');
    this.#close();
    if ((this.#how & 0x40) === 0) this.done();
  }

  /** One step of an answer, whatever came before. */
  act(what: number): void {
    const kind = ((this.#how >> 3) + (what >> 3)) & 3;
    switch (what & 7) {
      case 0:
        this.#headers(heads[kind % heads.length] ?? [], false);
        break;
      case 1:
        this.#data(sizes[kind] ?? 0, false);
        break;
      case 2:
        this.#data(sizes[kind] ?? 0, true);
        break;
      case 3:
        this.#trailers(trailers[kind & 1] ?? []);
        break;
      case 4:
        this.stream.reset(errorCodes.cancel);
        this.#close();
        break;
      case 5: {
        const bytes = this.received - this.granted;
        this.granted += bytes;
        this.stream.grant(bytes);
        break;
      }
      case 6:
        this.#headers([...(heads[kind % heads.length] ?? []), ...(trailers[0] ?? [])], true);
        break;
      default:
        this.done();
        break;
    }
  }

  /** Its work is over, once. */
  done(): void {
    if (this.isDone) return;
    this.isDone = true;
    this.stream.done();
  }

  /** After the end of the connection. */
  check(): void {
    if (this.stream.state !== 'closed') this.#scene.fault('a stream outlives its connection');
    this.done();
    for (let what = 0; what < 8; what++) this.act(what);
  }

  #answer(): void {
    this.act(0);
    if ((this.#how & 0x80) === 0) {
      this.act(1);
      this.act(3);
    } else this.act(2);
  }

  #headers(fields: HeaderList, isEnd: boolean): void {
    const { isSending } = this.stream;
    if (isSending && this.said.hasHead) return;
    if (isSending) {
      this.said.hasHead = true;
      this.said.lists.push(fields);
    }
    this.stream.headers(fields, isEnd);
    if (isEnd) this.#close();
  }

  #data(size: number, isEnd: boolean): void {
    const { id } = this.stream;
    if (!this.said.hasHead && this.stream.isSending) this.act(0);
    const from = this.said.size;
    const { isSending } = this.stream;
    if (isSending) this.said.size += size;
    const source = {
      size,
      writeTo(target: Buffer, at: number) {
        for (let place = 0; place < size; place++) target[at + place] = bodyByte(id, from + place);
      },
    };
    if (!this.stream.data(source, isEnd)) this.#scene.waited();
    else if (isEnd && isSending && this.stream.state !== 'closed')
      this.#scene.fault('an answer has ended and its stream is not closed');
  }

  #trailers(fields: HeaderList): void {
    if (!this.said.hasHead && this.stream.isSending) this.act(0);
    if (this.stream.isSending) this.said.lists.push(fields);
    this.stream.trailers(fields);
  }

  #check(what: string): void {
    if (this.#hasReset) this.#scene.fault(`${what} comes after a reset`);
    if (this.said.closedAt !== undefined) this.#scene.fault(`${what} comes to a stream that is closed`);
    if (this.#scene.isOver()) this.#scene.fault(`${what} comes after the last word`);
  }

  #close(): void {
    if (this.stream.state === 'closed') this.said.closedAt ??= this.#scene.made();
  }
}
