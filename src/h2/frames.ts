/**
 * The numbers of HTTP/2 (RFC 9113): frame types and flags (section 6), settings (6.5.2), error codes (7).
 *
 *     +-----------------------------------------------+
 *     |                 Length (24)                   |
 *     +---------------+---------------+---------------+
 *     |   Type (8)    |   Flags (8)   |
 *     +-+-------------+---------------+-------------------------------+
 *     |R|                 Stream Identifier (31)                      |
 *     +=+=============================================================+
 *     |                   Frame Payload (0...)                      ...
 *     +---------------------------------------------------------------+
 */

/** Bytes of a frame's head (section 4.1). */
export const headLength = 9;

/** What a client says before its first frame (section 3.4). */
export const preface = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1');

export const frameTypes = {
  data: 0,
  headers: 1,
  priority: 2,
  rstStream: 3,
  settings: 4,
  pushPromise: 5,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
  continuation: 9,
} as const;

/** Flags, one bit each; what a bit means depends on the type. */
export const flags = { ack: 0x1, endStream: 0x1, endHeaders: 0x4, padded: 0x8, priority: 0x20 } as const;

export const settingIds = {
  headerTableSize: 1,
  enablePush: 2,
  maxConcurrentStreams: 3,
  initialWindowSize: 4,
  maxFrameSize: 5,
  maxHeaderListSize: 6,
} as const;

/** Why a stream or a connection ends. */
export const errorCodes = {
  noError: 0,
  protocolError: 1,
  internalError: 2,
  flowControlError: 3,
  settingsTimeout: 4,
  streamClosed: 5,
  frameSizeError: 6,
  refusedStream: 7,
  cancel: 8,
  compressionError: 9,
  connectError: 10,
  enhanceYourCalm: 11,
  inadequateSecurity: 12,
  http11Required: 13,
} as const;

export type ErrorCode = (typeof errorCodes)[keyof typeof errorCodes];

/** The largest window and the largest stream identifier: 31 bits. */
export const max31 = 2 ** 31 - 1;
/** Every window at the start, in bytes (section 6.9.2). */
export const defaultWindow = 65_535;
/** The largest payload that every peer takes, in bytes; the largest that a peer may allow (section 4.2). */
export const [defaultMaxFrame, largestMaxFrame] = [16_384, 2 ** 24 - 1];
/** The header table at the start, in bytes (RFC 7541 section 4.2). */
export const defaultTableSize = 4096;
