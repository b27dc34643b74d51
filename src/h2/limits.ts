/** Bounds of everything that a peer can make large, many or slow. */

export interface Limits {
  /** Streams of a connection: those that are open, and those that the peer has reset and that still make work. */
  readonly maxStreams: number;
  /** Size of a header list as RFC 9113 section 6.5.2 counts it, in bytes. */
  readonly maxHeaderListBytes: number;
  /** Size of a header block as it comes, and number of its frames. */
  readonly maxHeaderBlockBytes: number;
  readonly maxHeaderFrames: number;
  /** Header table of either direction, in bytes. */
  readonly headerTableBytes: number;
  /** What a stream may send that has not been taken, in bytes. */
  readonly streamWindow: number;
  /** Output that waits for the peer: above it streams wait, and nothing more is taken from the socket; in bytes. */
  readonly maxOutput: number;
  /** How long one connection is served before the others have their turn. */
  readonly turnMs: number;
  /** From the first byte to the peer's first SETTINGS, in milliseconds. */
  readonly handshakeMs: number;
  /** From the first frame of a header block to its last. */
  readonly headerBlockMs: number;
  /** For the acknowledgement of our SETTINGS. */
  readonly settingsAckMs: number;
  /** Without anything taken by a peer that has output waiting, on the connection or for the window of a stream. */
  readonly stallMs: number;
  /** Without a stream. */
  readonly idleMs: number;
  /** Without a byte from a peer that has streams: then it is asked for a sign, for which it has `pingMs`. */
  readonly silenceMs: number;
  readonly pingMs: number;
  /** Age at which a connection is asked to come anew, give or take a tenth. */
  readonly maxAgeMs: number;
}

export const defaultLimits: Limits = {
  maxStreams: 1024,
  maxHeaderListBytes: 16_384,
  maxHeaderBlockBytes: 32_768,
  maxHeaderFrames: 16,
  headerTableBytes: 4096,
  streamWindow: 262_144,
  maxOutput: 131_072,
  turnMs: 1,
  handshakeMs: 10_000,
  headerBlockMs: 10_000,
  settingsAckMs: 30_000,
  stallMs: 60_000,
  idleMs: 3_600_000,
  silenceMs: 120_000,
  pingMs: 20_000,
  maxAgeMs: 86_400_000,
};

/** What a peer may do that costs work and brings nothing: what is allowed of each kind, at once and a second. */
export const allowances = {
  /** PING and SETTINGS, each of which wants an answer. Refilled by what is sent to the peer, as gRPC has it. */
  asks: { most: 100, perSecond: 1 },
  /** Streams that the peer began and gave up. */
  resets: { most: 10_000, perSecond: 2_000 },
  /**
   * Frames that carry nothing: empty DATA, PRIORITY, WINDOW_UPDATE, what is unknown or comes too late. Each body, or large
   * part of one, that is sent earns one back, since a client may well widen a window for it.
   */
  idle: { most: 20_000, perSecond: 5_000 },
} as const;
