/** Plays a script to its end on a connection, and sees to it that the connection keeps its promises. */
import { Connection } from '../../../src/h2/connection.ts';
import { preface } from '../../../src/h2/frames.ts';
import { Outbox } from '../../../src/h2/outbox.ts';
import { Fault } from '../engine/target.ts';
import { chunksOf } from '../targets/chunks.ts';
import { Client } from './client.ts';
import { FakeSocket } from './fake-socket.ts';
import { type Loop, withLoop } from './loop.ts';
import type { Said } from './said.ts';
import type { Script, Step } from './script.ts';
import { Told } from './told.ts';
import { FuzzUser } from './user.ts';

/** What a script came to. */
export interface Played {
  readonly output: Buffer;
  /** What the users of the streams were told, by stream. */
  readonly events: ReadonlyMap<number, readonly string[]>;
  /** Nothing had to wait for the peer: then it does not matter how what was sent was cut. */
  readonly isSteady: boolean;
}

/** Longer than any limit of a connection, in milliseconds. */
const longTime = 100_000_000;

/** Plays it, with what is sent in pieces where `cuts` is not 0. Throws a Fault. */
export function play(script: Script, cuts: number): Played {
  let played: Played | undefined;
  withLoop(script.tickMs, (loop) => {
    played = new Play(script, cuts, loop).run();
  });
  if (played === undefined) throw new Fault('the script was not played');
  return played;
}

class Play {
  readonly #script: Script;
  readonly #cuts: number;
  readonly #loop: Loop;
  readonly #told = new Told();
  readonly #said = new Map<number, Said>();
  readonly #users = new Map<number, FuzzUser>();
  readonly #output: Buffer[] = [];
  readonly #client = new Client(this.#told, this.#said);
  readonly #faults: Error[] = [];
  readonly #socket: FakeSocket;
  readonly #connection: Connection;
  readonly #outbox: Outbox;
  #made = 0;
  #closed = 0;
  #isSteady = true;

  constructor(script: Script, cuts: number, loop: Loop) {
    this.#script = script;
    this.#cuts = cuts;
    this.#loop = loop;
    this.#socket = new FakeSocket(loop, (bytes) => {
      this.#output.push(bytes);
      this.#client.take(bytes);
    });
    [this.#connection, this.#outbox] = this.#connect();
  }

  run(): Played {
    if (this.#script.hasPreface) this.#send(preface);
    this.#loop.turn();
    let isSameTurn = false;
    for (const step of this.#script.steps) {
      this.#step(step);
      if (!isSameTurn) this.#loop.turn();
      isSameTurn = step.kind === 'sameTurn';
      if (isSameTurn) this.#isSteady = false;
      this.#check();
    }
    this.#loop.turn();
    const isSteady = this.#isSteady && !this.#socket.wasPaused;
    this.#end();
    const events = new Map([...this.#users].map(([id, user]) => [id, user.events]));
    return { output: Buffer.concat(this.#output), events, isSteady };
  }

  /** The outbox is the connection's own; here its constructor gives it away. */
  #connect(): [Connection, Outbox] {
    const { reserve } = Outbox.prototype;
    let outbox: Outbox | undefined;
    const count = (size: number) => (this.#made += size);
    Outbox.prototype.reserve = function (size) {
      if (outbox === undefined) {
        outbox = this;
        Object.defineProperty(this, 'reserve', {
          value(more: number) {
            count(more);
            return reserve.call(this, more);
          },
        });
      }
      count(size);
      return reserve.call(this, size);
    };
    try {
      const connection = new Connection(this.#socket.asSocket, {
        clock: this.#loop.clock,
        limits: this.#script.limits,
        random: () => 0.5,
        onStream: (stream, head, isEnd) => {
          const user = this.#begin(
            new FuzzUser(stream, this.#script.users[(stream.id >> 1) & 7] ?? 0, this.#sceneOf()),
          );
          if (head.path === '' || head.fields.some(({ name }) => name.startsWith(':')))
            this.#fault('a head is malformed');
          user.begin(head, isEnd);
          return user;
        },
        onTooLarge: (stream) => {
          const user = this.#begin(new FuzzUser(stream, 0, this.#sceneOf()));
          user.isDone = true;
          user.refuse();
        },
        onClosed: () => void this.#closed++,
        onFailure: (error) => {
          this.#faults.push(
            error instanceof Fault ? error : new Fault(`the connection failed: ${error}`, { cause: error }),
          );
        },
      });
      if (outbox === undefined) throw new Fault('the connection says nothing at its start');
      return [connection, outbox];
    } finally {
      Outbox.prototype.reserve = reserve;
    }
  }

  #sceneOf() {
    return {
      fault: (what: string) => this.#fault(what),
      made: () => this.#made,
      isOver: () => this.#socket.isEnded,
      waited: () => {
        this.#isSteady = false;
      },
    };
  }

  #begin(user: FuzzUser): FuzzUser {
    const { id } = user.stream;
    if (this.#socket.isEnded) this.#fault('a stream begins after the last word');
    if (this.#users.has(id)) this.#fault('a stream begins twice');
    if (this.#client.goAway !== undefined && id > this.#client.goAway.lastId)
      this.#fault('a stream begins that was refused');
    this.#users.set(id, user);
    this.#said.set(id, user.said);
    return user;
  }

  /** Keeps a fault for later: what callbacks throw ends in the connection. */
  #fault(what: string): void {
    this.#faults.push(new Fault(what));
  }

  #step(step: Step): void {
    switch (step.kind) {
      case 'send':
        this.#send(step.bytes);
        break;
      case 'wait':
        this.#loop.turn();
        this.#loop.clock.advance(step.first * 100);
        this.#connection.check();
        break;
      case 'act': {
        const users = [...this.#users.values()];
        users.at(-1 - (step.first % Math.max(1, users.length)))?.act(step.second);
        break;
      }
      case 'goAway':
        this.#connection.goAway();
        break;
      case 'stall':
        this.#socket.isStalled = true;
        // How much is under way, and lost where the peer ends, depends on how its input came.
        this.#isSteady = false;
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

  #send(bytes: Buffer): void {
    this.#told.add(bytes);
    for (const chunk of chunksOf(bytes, this.#cuts)) {
      this.#socket.receive(Buffer.from(chunk));
      if ((this.#cuts & 1) !== 0) this.#loop.turn();
    }
  }

  #check(): void {
    const [first] = [...this.#faults, ...this.#socket.faults];
    if (first !== undefined) throw first;
    const { maxStreams } = this.#script.limits;
    const open = [...this.#users.values()].filter(({ stream }) => stream.state !== 'closed').length;
    if (this.#connection.openStreams !== open) throw new Fault('the number of open streams is wrong');
    if (open > maxStreams) throw new Fault('more streams are open than the limit allows');
    const busy = [...this.#users.values()].filter(({ isDone, stream }) => !isDone || stream.state !== 'closed').length;
    if (busy > maxStreams) throw new Fault('more streams are worked for than the limit allows');
    for (const { received, granted } of this.#users.values()) {
      if (received > granted + this.#script.limits.streamWindow)
        throw new Fault('more is received than the window allows');
    }
  }

  /** Whatever the peer does at the end: the connection closes, and nothing is left of it. */
  #end(): void {
    const { clock } = this.#loop;
    if (this.#script.ending === 0) this.#socket.unstall();
    if (this.#script.ending < 2) this.#socket.receive('end');
    else if (this.#script.ending === 2) this.#socket.break();
    this.#loop.turn();
    for (let look = 0; look < 12 && !this.#socket.isClosed; look++) {
      clock.advance(longTime);
      this.#connection.check();
      this.#loop.turn();
    }
    if (!this.#socket.isClosed) throw new Fault('the connection never closes');
    if (this.#closed !== 1) throw new Fault('the end of the connection is not told once');
    for (const user of this.#users.values()) user.check();
    this.#connection.goAway();
    this.#connection.check();
    this.#loop.turn();
    this.#check();
    if (this.#connection.openStreams !== 0) throw new Fault('a closed connection has streams');
    if (this.#outbox.waiting !== 0) throw new Fault('a closed connection has output');
    if (this.#socket.blocks.some((block) => block.some((byte) => byte !== 0))) {
      throw new Fault('what was written was not overwritten');
    }
  }
}
