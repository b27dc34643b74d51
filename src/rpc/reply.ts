/**
 * An answer that is written where it is sent from, so that no copy of it is left. Whoever writes it disposes of it; it
 * may hold a secret, which is wiped then.
 */
export interface Reply extends Disposable {
  /** In bytes. */
  readonly size: number;
  /** Writes exactly `size` bytes from `at` on. */
  writeTo(target: Buffer, at: number): void;
}

/** An answer of these bytes, which hold no secret. */
export function replyOf(bytes: Uint8Array): Reply {
  return {
    size: bytes.length,
    writeTo: (target, at) => target.set(bytes, at),
    [Symbol.dispose]() {},
  };
}

/** The bytes of an answer, which is disposed of. They are the caller's, to wipe as well. */
export function bytesOf(reply: Reply): Buffer {
  using written = reply;
  const bytes = Buffer.allocUnsafe(written.size);
  written.writeTo(bytes, 0);
  return bytes;
}
