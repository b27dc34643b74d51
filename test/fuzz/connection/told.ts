/** What a client has said so far, as far as it bounds what the server may say. Read in the plainest way. */
import { flags, frameTypes, headLength, preface, settingIds } from '../../../src/h2/frames.ts';

/** One SETTINGS frame, or what holds before the first. */
export interface Settings {
  readonly window: number | undefined;
  readonly maxFrame: number | undefined;
  /** The sizes of the header table, in their order. */
  readonly tables: readonly number[];
}

export class Told {
  readonly settings: Settings[] = [];
  readonly pings: string[] = [];
  /** What WINDOW_UPDATE frames add up to, by stream. */
  readonly granted = new Map<number, number>();
  /** Streams that HEADERS, and that PRIORITY named. */
  readonly begun = new Set<number>();
  readonly ranked = new Set<number>();
  lastBegun = 0;
  #rest: Buffer = Buffer.alloc(0);
  #hasPreface = false;

  /** Takes what was sent. A server that has found a mistake reads nothing more: then it is told less than this. */
  add(bytes: Buffer): void {
    this.#rest = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    if (!this.#hasPreface) {
      if (this.#rest.length < preface.length) return;
      this.#hasPreface = true;
      this.#rest = this.#rest.subarray(preface.length);
    }
    let at = 0;
    while (at + headLength <= this.#rest.length) {
      const end = at + headLength + this.#rest.readUIntBE(at, 3);
      if (end > this.#rest.length) break;
      this.#frame(this.#rest.subarray(at, end));
      at = end;
    }
    this.#rest = this.#rest.subarray(at);
  }

  #frame(frame: Buffer): void {
    const id = frame.readUInt32BE(5) % 2 ** 31;
    const payload = frame.subarray(headLength);
    const isAck = ((frame[4] ?? 0) & flags.ack) !== 0;
    switch (frame[3]) {
      case frameTypes.headers:
        this.begun.add(id);
        this.lastBegun = Math.max(this.lastBegun, id);
        return;
      case frameTypes.priority:
        this.ranked.add(id);
        return;
      case frameTypes.settings:
        if (!isAck) this.settings.push(settingsOf(payload));
        return;
      case frameTypes.ping:
        if (!isAck) this.pings.push(payload.toString('latin1'));
        return;
      case frameTypes.windowUpdate:
        if (payload.length === 4) {
          this.granted.set(id, (this.granted.get(id) ?? 0) + (payload.readUInt32BE(0) % 2 ** 31));
        }
        return;
      default:
    }
  }
}

function settingsOf(payload: Buffer): Settings {
  let window: number | undefined;
  let maxFrame: number | undefined;
  const tables: number[] = [];
  for (let at = 0; at + 6 <= payload.length; at += 6) {
    const value = payload.readUInt32BE(at + 2);
    const id = payload.readUInt16BE(at);
    if (id === settingIds.initialWindowSize) window = value;
    else if (id === settingIds.maxFrameSize) maxFrame = value;
    else if (id === settingIds.headerTableSize) tables.push(value);
  }
  return { window, maxFrame, tables };
}
