/**
 * As much of HTTP/2 as somebody needs who floods a server (RFC 9113 for frames, RFC 7541 for fields): frames by hand,
 * whatever their order, and an eye for the answers. No client library would send any of it.
 */

/** Types of frames (RFC 9113 section 6). */
export const types = {
  data: 0,
  headers: 1,
  rstStream: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

/** Flags of frames, one bit each. */
export const flag = { ack: 0x1, endStream: 0x1, endHeaders: 0x4 } as const;

/** SETTINGS_INITIAL_WINDOW_SIZE. */
export const initialWindowSize = 4;

/** Length of a frame's head in bytes. */
export const headLength = 9;

/** What a frame says beside its payload. */
export interface FrameHead {
  readonly type: number;
  readonly flags?: number;
  readonly stream?: number;
}

/** One frame; `payload` is copied. */
export function frame(head: FrameHead, payload: Uint8Array = new Uint8Array()): Buffer {
  const bytes = Buffer.alloc(headLength + payload.length);
  bytes.writeUIntBE(payload.length, 0, 3);
  bytes.writeUInt8(head.type, 3);
  bytes.writeUInt8(head.flags ?? 0, 4);
  bytes.writeUInt32BE(head.stream ?? 0, 5);
  bytes.set(payload, headLength);
  return bytes;
}

/** A payload of one number: the increment of WINDOW_UPDATE, the code of RST_STREAM. */
export function number32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

/** SETTINGS with these values. */
export function settings(values: readonly (readonly [id: number, value: number])[]): Buffer {
  const payload = Buffer.alloc(values.length * 6);
  values.forEach(([id, value], at) => {
    payload.writeUInt16BE(id, at * 6);
    payload.writeUInt32BE(value, at * 6 + 2);
  });
  return frame({ type: types.settings }, payload);
}

/** What a client says first: its preface, its windows, and that it has heard of the server's settings. */
export function greeting(windows: { readonly stream: number; readonly connection: number }): Buffer {
  return Buffer.concat([
    Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1'),
    settings([[initialWindowSize, windows.stream]]),
    frame({ type: types.settings, flags: flag.ack }),
    frame({ type: types.windowUpdate }, number32(windows.connection - 0xffff)),
  ]);
}

/** A whole number of HPACK with a prefix of `bits`, whose byte has `pattern` above them (RFC 7541 section 5.1). */
function integer(value: number, bits: number, pattern: number): Buffer {
  const most = 2 ** bits - 1;
  if (value < most) return Buffer.of(pattern | value);
  const bytes = [pattern | most];
  let rest = value - most;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) + 0x80);
  return Buffer.from([...bytes, rest]);
}

function text(value: string): Buffer {
  return Buffer.concat([integer(value.length, 7, 0), Buffer.from(value, 'latin1')]);
}

/** A field that enters the header table: by the static table's index of its name, or with a name of its own. */
export function inserted(name: number | string, value: string): Buffer {
  const start = typeof name === 'number' ? integer(name, 6, 0x40) : Buffer.concat([Buffer.of(0x40), text(name)]);
  return Buffer.concat([start, text(value)]);
}

/** A reference to a field of the tables; 62 is the one that entered last. */
export function indexed(index: number): Buffer {
  return integer(index, 7, 0x80);
}

/** `:method` POST and `:scheme` http; `:method` GET and `:path` / beside it, which make no call. */
export const [post, get] = [Buffer.of(0x83, 0x86), Buffer.of(0x82, 0x84, 0x86)];

/** The static table's indexes of names. */
export const names = { authority: 1, path: 4, contentType: 31 } as const;

/**
 * The message of an `Encrypt` for the tenant `demo`, or another, with gRPC's prefix; it is one of a `Decrypt` as well, of
 * what is no ciphertext.
 */
export function encryptMessage(plaintextLength: number, tenant = 'demo'): Buffer {
  const message = Buffer.concat([
    Buffer.of(0x0a, tenant.length),
    Buffer.from(tenant),
    Buffer.of(0x12),
    varint(plaintextLength),
    Buffer.alloc(plaintextLength, 'x'),
  ]);
  return Buffer.concat([Buffer.of(0), number32(message.length), message]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) + 0x80);
  return Buffer.from([...bytes, rest]);
}

/** A frame that has come, its payload only to be read. */
export interface Came {
  readonly type: number;
  readonly flags: number;
  readonly payload: Buffer;
}

/** Makes frames of a socket's chunks, and hands each on. */
export function frameReader(onFrame: (came: Came) => void): (chunk: Buffer) => void {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (bytes.length - at >= headLength) {
      const end = at + headLength + bytes.readUIntBE(at, 3);
      if (end > bytes.length) break;
      const [type, flags] = [bytes.readUInt8(at + 3), bytes.readUInt8(at + 4)];
      onFrame({ type, flags, payload: bytes.subarray(at + headLength, end) });
      at = end;
    }
    rest = bytes.subarray(at);
  };
}
