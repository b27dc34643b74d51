/**
 * From a failure to what goes over the wire: a canonical code, the public sentence, and `google.rpc.Status` with
 * `ErrorInfo` and, where a retry can help, `RetryInfo` for the trailer `grpc-status-details-bin`
 * (https://google.aip.dev/193, googleapis google/rpc/error_details.proto).
 */
import { errorTable, type GrpcCode, grpcCodes, KeyproxyError } from '../base/errors.ts';
import { bytes, message, number, repeated, string, stringMap } from './protobuf/fields.ts';
import { Message } from './protobuf/message.ts';

/** The domain of every `ErrorInfo` that keyproxy sends. */
export const errorDomain = 'keyproxy';

const any = new Message({ typeUrl: string(1), value: bytes(2) });
/** `google.rpc.Status`. */
export const rpcStatus = new Message({ code: number(1), message: string(2), details: repeated(3, any) });
/** `google.rpc.ErrorInfo`. */
export const errorInfo = new Message({ reason: string(1), domain: string(2), metadata: stringMap(3) });
const duration = new Message({ seconds: number(1), nanos: number(2) });
/** `google.rpc.RetryInfo`. */
export const retryInfo = new Message({ retryDelay: message(1, duration) });

/** One failed call's end. */
export interface WireStatus {
  readonly code: number;
  readonly codeName: GrpcCode;
  readonly message: string;
  /** The bytes of `google.rpc.Status`. */
  readonly details: Buffer;
}

/** The end of a call that failed with `error`. */
export function wireStatus(error: KeyproxyError): WireStatus {
  const codeName = errorTable[error.reason].grpc;
  const code = grpcCodes[codeName];
  const info = errorInfo.encode({
    reason: error.reason,
    domain: errorDomain,
    metadata: new Map(Object.entries(error.metadata)),
  });
  const details = [{ typeUrl: 'type.googleapis.com/google.rpc.ErrorInfo', value: info }];
  if (error.retryAfterMs !== undefined) {
    const milliseconds = Math.ceil(error.retryAfterMs);
    const seconds = Math.floor(milliseconds / 1000);
    const nanos = (milliseconds % 1000) * 1e6;
    const value = retryInfo.encode({ retryDelay: { seconds, nanos } });
    details.push({ typeUrl: 'type.googleapis.com/google.rpc.RetryInfo', value });
  }
  return {
    code,
    codeName,
    message: error.message,
    details: rpcStatus.encode({ code, message: error.message, details }),
  };
}

/** The failure of a message over `limits.max_message_bytes`, `limit`; `size` where it is known. Both in bytes. */
export function tooLarge(what: string, { size, limit }: { size: number | undefined; limit: number }): KeyproxyError {
  const has = size === undefined ? 'is far over' : `has ${size} bytes,`;
  const bound = size === undefined ? 'limits.max_message_bytes, which' : 'limits.max_message_bytes';
  return new KeyproxyError('MESSAGE_TOO_LARGE', {
    detail: `the ${what} ${has} ${bound} is ${limit}; split the data or raise the limit`,
    metadata: {
      limit: 'max_message_bytes',
      limit_value: String(limit),
      ...(size !== undefined && { size: String(size) }),
    },
  });
}
