/** Bounds on what a header may hold, tighter than the format's own 65,535 of everything. */

/** What a reader accepts. */
export interface HeaderLimits {
  /** More encrypted data keys than this are refused before the first of them is looked at. */
  readonly maxEncryptedDataKeys: number;
  /** Longest serialised encryption context in bytes; `messageLimits.maxContextBytes` where it is not given. */
  readonly maxContextBytes?: number;
}

/**
 * What keyproxy writes at most, and reads unless told otherwise. 8 KiB of context is what Cloud KMS takes as
 * associated data under its tightest (HSM) limit.
 */
export const messageLimits = { maxEncryptedDataKeys: 16, maxContextBytes: 8192 } as const satisfies HeaderLimits;
