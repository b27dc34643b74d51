/** SETTINGS in both directions (RFC 9113 section 6.5). */
import { ConnectionError } from './errors.ts';
import { defaultMaxFrame, defaultWindow, errorCodes, largestMaxFrame, max31, settingIds } from './frames.ts';
import type { Limits } from './limits.ts';

/** What the peer has asked of us. */
export interface PeerSettings {
  initialWindowSize: number;
  maxFrameSize: number;
}

/** The peer's settings before it has sent any. */
export function initialPeerSettings(): PeerSettings {
  return { initialWindowSize: defaultWindow, maxFrameSize: defaultMaxFrame };
}

const settingLength = 6;

/**
 * Takes over what a SETTINGS frame says, in its order; `payload` has whole settings. `onTableSize` is told each size of
 * the header table, those too that the same frame changes again. Throws a ConnectionError for a value that must not be.
 */
export function applySettings(peer: PeerSettings, payload: Buffer, onTableSize: (size: number) => void): void {
  for (let at = 0; at < payload.length; at += settingLength) {
    const [id, value] = [payload.readUInt16BE(at), payload.readUInt32BE(at + 2)];
    if (id === settingIds.headerTableSize) onTableSize(value);
    else apply(peer, id, value);
  }
}

function apply(peer: PeerSettings, id: number, value: number): void {
  switch (id) {
    case settingIds.enablePush:
      // Nothing is ever pushed, so both values mean the same here.
      if (value > 1) throw new ConnectionError(errorCodes.protocolError, 'SETTINGS_ENABLE_PUSH is neither 0 nor 1');
      return;
    case settingIds.initialWindowSize:
      if (value > max31) {
        throw new ConnectionError(errorCodes.flowControlError, 'SETTINGS_INITIAL_WINDOW_SIZE is over 2^31 - 1');
      }
      peer.initialWindowSize = value;
      return;
    case settingIds.maxFrameSize:
      if (value < defaultMaxFrame || value > largestMaxFrame) {
        throw new ConnectionError(errorCodes.protocolError, 'SETTINGS_MAX_FRAME_SIZE is outside 2^14 to 2^24 - 1');
      }
      peer.maxFrameSize = value;
      return;
    default:
    // What a client may push or begin does not concern a server; what is unknown is ignored (section 6.5.2).
  }
}

/** The payload of our own SETTINGS. */
export function ownSettings(limits: Limits): Buffer {
  const values: readonly (readonly [number, number])[] = [
    [settingIds.headerTableSize, limits.headerTableBytes],
    [settingIds.maxConcurrentStreams, limits.maxStreams],
    [settingIds.initialWindowSize, limits.streamWindow],
    [settingIds.maxHeaderListSize, limits.maxHeaderListBytes],
  ];
  const payload = Buffer.alloc(values.length * settingLength);
  values.forEach(([id, value], index) => {
    payload.writeUInt16BE(id, index * settingLength);
    payload.writeUInt32BE(value, index * settingLength + 2);
  });
  return payload;
}
