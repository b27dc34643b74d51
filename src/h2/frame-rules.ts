/** What holds for every frame of a type: whether it belongs to a stream, and how long it is (RFC 9113 section 6). */
import { ConnectionError, StreamError } from './errors.ts';
import { errorCodes, flags, frameTypes } from './frames.ts';

interface Rule {
  readonly name: string;
  /** Whether the frame has a stream, the connection, or either. */
  readonly of: 'stream' | 'connection' | 'either';
  /** Length of the payload in bytes. */
  readonly length?: { readonly exactly: number } | { readonly atLeast: number } | { readonly multipleOf: number };
  /** Where a wrong length ends the stream alone. */
  readonly isStreamError?: true;
}

const rules = new Map<number, Rule>([
  [frameTypes.data, { name: 'DATA', of: 'stream' }],
  // That the stream has an odd number is looked at where it begins.
  [frameTypes.headers, { name: 'HEADERS', of: 'either' }],
  [frameTypes.priority, { name: 'PRIORITY', of: 'stream', length: { exactly: 5 }, isStreamError: true }],
  [frameTypes.rstStream, { name: 'RST_STREAM', of: 'stream', length: { exactly: 4 } }],
  [frameTypes.settings, { name: 'SETTINGS', of: 'connection', length: { multipleOf: 6 } }],
  [frameTypes.ping, { name: 'PING', of: 'connection', length: { exactly: 8 } }],
  [frameTypes.goAway, { name: 'GOAWAY', of: 'connection', length: { atLeast: 8 } }],
  [frameTypes.windowUpdate, { name: 'WINDOW_UPDATE', of: 'either', length: { exactly: 4 } }],
  [frameTypes.continuation, { name: 'CONTINUATION', of: 'stream' }],
]);

/** Throws a ConnectionError, or a StreamError, for a frame that no peer may send. Unknown types are anybody's. */
export function checkFrame(type: number, flag: number, id: number, length: number): void {
  if (type === frameTypes.pushPromise) throw protocolError('a client does not push');
  const rule = rules.get(type);
  if (rule === undefined) return;
  if (rule.of === 'stream' && id === 0) throw protocolError(`${rule.name} needs a stream`);
  if (rule.of === 'connection' && id !== 0) throw protocolError(`${rule.name} has no stream`);
  const isAck = type === frameTypes.settings && (flag & flags.ack) !== 0;
  if (fits(rule.length, length) && !(isAck && length > 0)) return;
  const message = isAck ? 'an acknowledgement has a payload' : `${rule.name} has ${wrong(rule.length)}`;
  if (rule.isStreamError) throw new StreamError(errorCodes.frameSizeError, message);
  throw new ConnectionError(errorCodes.frameSizeError, message);
}

/** Throws a ConnectionError where the first frame is not SETTINGS (section 3.4). */
export function checkFirstFrame(type: number, flag: number): void {
  if (type !== frameTypes.settings || (flag & flags.ack) !== 0) {
    throw protocolError('the first frame is not SETTINGS');
  }
}

function fits(rule: Rule['length'], length: number): boolean {
  if (rule === undefined) return true;
  if ('exactly' in rule) return length === rule.exactly;
  return 'atLeast' in rule ? length >= rule.atLeast : length % rule.multipleOf === 0;
}

function wrong(rule: Rule['length']): string {
  if (rule === undefined) return 'any length';
  if ('exactly' in rule) return `not ${rule.exactly} bytes`;
  return 'atLeast' in rule ? `less than ${rule.atLeast} bytes` : `a length that is no multiple of ${rule.multipleOf}`;
}

/** The end of the connection with PROTOCOL_ERROR. */
export function protocolError(message: string): ConnectionError {
  return new ConnectionError(errorCodes.protocolError, message);
}

/** The payload without its padding (section 6.1), as the places where it begins and ends. */
export function unpadded(flag: number, bytes: Buffer, start: number, end: number): [number, number] {
  if ((flag & flags.padded) === 0) return [start, end];
  const padding = bytes[start] ?? 0;
  if (end - start < 1 + padding) throw protocolError('the padding is longer than the frame');
  return [start + 1, end - padding];
}
