/**
 * gRPC on a connection that a script plays: calls of every kind, whose methods do what a message says.
 * Whatever comes, each method ends, nothing is held for it afterwards, and no promise fails unheard.
 */
import { setImmediate as immediately } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gunzip, gzipSync } from 'node:zlib';
import { Connection } from '../../../src/h2/connection.ts';
import { flags, frameTypes, headLength, preface } from '../../../src/h2/frames.ts';
import { HeaderDecoder } from '../../../src/h2/hpack/decoder.ts';
import type { RequestHead } from '../../../src/h2/request.ts';
import type { Stream, StreamUser } from '../../../src/h2/stream.ts';
import { Call, type CallHost } from '../../../src/rpc/native/call.ts';
import { callHead } from '../../../src/rpc/native/call-head.ts';
import { type Handler, plainRefusal } from '../../../src/rpc/native/handler.ts';
import { ReadyCalls } from '../../../src/rpc/native/ready-calls.ts';
import { refuseStream } from '../../../src/rpc/native/response.ts';
import { lonelyShare } from '../../support/shares.ts';
import { feature } from '../engine/map.ts';
import { Fault } from '../engine/target.ts';
import { FakeSocket } from './fake-socket.ts';
import { Loop } from './loop.ts';
import { methods } from './methods.ts';
import type { Script, Step } from './script.ts';

/** How often the end of all methods is waited for: compression takes a while, and another thread. */
const mostTurns = 20_000;
const longTime = 100_000_000;
const decompress = promisify(gunzip);
const nobody: StreamUser = { onData() {}, onEnd() {}, onDrained() {}, onReset() {} };

export class CallScene {
  readonly #script: Script;
  readonly #loop = new Loop(0);
  readonly #output: Buffer[] = [];
  readonly #socket = new FakeSocket(this.#loop, (bytes) => this.#output.push(bytes));
  readonly #held = lonelyShare(100_000);
  readonly #waiting = lonelyShare(10_000);
  readonly #failures: unknown[] = [];
  /** Calls that have begun, and whether they have ended. */
  readonly #calls = new Map<Call, boolean>();
  #mayDecompress = false;
  readonly #ready = new ReadyCalls(() => this.#waiting.isInside);
  readonly #connection: Connection;
  readonly #handlers: ReadonlyMap<string, Handler>;

  constructor(script: Script) {
    this.#script = script;
    this.#handlers = methods;
    const host = this.#host();
    this.#connection = new Connection(this.#socket.asSocket, {
      clock: this.#loop.clock,
      limits: script.limits,
      random: () => 0.5,
      onStream: (stream, request) => this.#onStream(stream, request, host),
      onTooLarge: (stream) => refuseStream(stream, '431'),
      onPause: () => this.#ready.run(),
      onHeld: (bytes) => this.#waiting.add(bytes),
      onFailure: (error) => this.#failures.push(error),
    });
  }

  async run(): Promise<void> {
    const onRejection = (error: unknown) =>
      void this.#failures.push(new Fault('a promise fails unheard', { cause: error }));
    process.on('unhandledRejection', onRejection);
    try {
      this.#socket.receive(Buffer.from(preface));
      for (const step of this.#script.steps) {
        this.#step(step);
        await this.#turn();
      }
      await this.#end();
    } finally {
      process.off('unhandledRejection', onRejection);
    }
    const [failure] = [...this.#failures, ...this.#socket.faults];
    if (failure !== undefined) throw failure;
    this.#checkOutput();
  }

  #host(): CallHost {
    const { clock } = this.#loop;
    return {
      caller: { kind: 'anonymous' },
      maxMessageBytes: 50_000,
      held: this.#held,
      refuse: (refusal) => {
        feature(8, refusal.kind.length);
        return plainRefusal(refusal);
      },
      deadline: (call, milliseconds) =>
        call.runOutBy(clock.after(milliseconds, () => call.refuse({ kind: 'deadline' }))),
      ready: (call) => this.#ready.add(call),
      ended: (call) => {
        this.#calls.set(call, true);
        this.#ready.drop(call);
      },
    };
  }

  #onStream(stream: Stream, request: RequestHead, host: CallHost): StreamUser {
    const head = callHead(request);
    const handler = this.#handlers.get(request.path);
    if (head.kind === 'not grpc') refuseStream(stream, head.status);
    else if (head.kind !== 'call') refuseStream(stream, plainRefusal(head).status);
    else if (handler === undefined) refuseStream(stream, plainRefusal({ kind: 'unknown method' }).status);
    else {
      this.#mayDecompress ||= head.encoding === 'gzip';
      const call = new Call(stream, request, { head, handler, host });
      if (!this.#calls.has(call)) this.#calls.set(call, false);
      return call;
    }
    return nobody;
  }

  async #turn(): Promise<void> {
    await immediately();
    this.#loop.turn();
    await immediately();
    this.#loop.turn();
  }

  #step(step: Step): void {
    switch (step.kind) {
      case 'send':
        this.#socket.receive(Buffer.from(step.bytes));
        break;
      case 'wait':
        this.#loop.clock.advance(step.first * 100);
        this.#connection.check();
        break;
      case 'goAway':
        this.#connection.goAway();
        break;
      case 'stall':
        this.#socket.isStalled = true;
        break;
      case 'unstall':
        this.#socket.unstall();
        break;
      case 'peerEnds':
        this.#socket.receive('end');
        break;
      case 'breaks':
        this.#socket.break();
        break;
      default:
    }
  }

  async #end(): Promise<void> {
    if (this.#script.ending === 0) this.#socket.unstall();
    if (this.#script.ending < 2) this.#socket.receive('end');
    else if (this.#script.ending === 2) this.#socket.break();
    for (let look = 0; look < 12 && !this.#socket.isClosed; look++) {
      await this.#turn();
      this.#loop.clock.advance(longTime);
      this.#connection.check();
      await this.#turn();
    }
    if (!this.#socket.isClosed) throw new Fault('the connection never closes');
    const isBusy = () => [...this.#calls.values()].includes(false);
    for (let turn = 0; turn < mostTurns && isBusy(); turn++) await this.#turn();
    if (isBusy()) throw new Fault('a call never ends');
    if (this.#mayDecompress) await restOfThreads();
    await this.#turn();
    if (this.#held.bytes !== 0) throw new Fault('what was held for calls is not given back');
    if (this.#connection.openStreams !== 0) throw new Fault('a closed connection has streams');
    if (this.#loop.clock.timers !== 0) throw new Fault('a call that has ended has a timer');
    for (const call of this.#calls.keys()) if (!call.isOver) throw new Fault('a call has ended and says it has not');
  }

  /** Every answer that has an end has a status, HTTP's or gRPC's, and one only. */
  #checkOutput(): void {
    const output = Buffer.concat(this.#output);
    const decoder = new HeaderDecoder({ maxTableSize: 4096, maxListSize: 2 ** 20 });
    let block: Buffer = Buffer.alloc(0);
    let isEnd = false;
    for (let at = 0; at + headLength <= output.length; ) {
      const end = at + headLength + output.readUIntBE(at, 3);
      const [type, flag] = [output[at + 3], output[at + 4] ?? 0];
      if (type === frameTypes.headers || type === frameTypes.continuation) {
        if (type === frameTypes.headers) isEnd = (flag & flags.endStream) !== 0;
        block = Buffer.concat([block, output.subarray(at + headLength, end)]);
        if ((flag & flags.endHeaders) !== 0) {
          checkFields(
            decoder.decode(block).fields.map(({ name, value }) => `${name}=${value}`),
            isEnd,
          );
          block = Buffer.alloc(0);
        }
      } else if (type === frameTypes.data && (flag & flags.endStream) !== 0)
        throw new Fault('a call ends without a status');
      at = end;
    }
  }
}

/** What other threads have under way fails before what they begin now is done. */
async function restOfThreads(): Promise<void> {
  const nothing = gzipSync('');
  await Promise.all(Array.from({ length: 8 }, () => decompress(nothing)));
  await immediately();
}

function checkFields(fields: readonly string[], isEnd: boolean): void {
  const statuses = fields.filter((field) => field.startsWith('grpc-status='));
  const isHttp = fields.some((field) => /^:status=4/.test(field));
  if (statuses.length !== (isEnd && !isHttp ? 1 : 0)) throw new Fault('a call has no status, or has one too early');
}
