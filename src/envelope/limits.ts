/** Bounds on what a message may hold, tighter than the format's own. */

/** What a reader accepts. */
export interface HeaderLimits {
  /** More encrypted data keys than this are refused before the first of them is looked at. */
  readonly maxEncryptedDataKeys: number;
  /** Longest serialised encryption context in bytes; `messageLimits.maxContextBytes` where it is not given. */
  readonly maxContextBytes?: number;
}

/**
 * What keyproxy writes at most, and reads unless told otherwise. 8 KiB of context is what Cloud KMS takes as
 * associated data under its tightest (HSM) limit. Frames are opened in one go while every other call waits:
 * 4,096 of them are 4 MiB in frames of 1 KiB, and 16 MiB in those that the official SDKs write by default.
 */
export const messageLimits = {
  maxEncryptedDataKeys: 16,
  maxContextBytes: 8192,
  maxFrames: 4096,
} as const satisfies HeaderLimits & { maxFrames: number };
