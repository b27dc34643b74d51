/** Typed reading of decoded request messages. */
import type { Message } from './definitions.ts';
import { ServiceError } from './status.ts';

/** A string field; empty where it is unset. */
export function text(message: Message, field: string): string {
  const value = message[field];
  return typeof value === 'string' ? value : '';
}

/** A bytes field; empty where it is unset. */
export function bytes(message: Message, field: string): Buffer {
  const value = message[field];
  return Buffer.isBuffer(value) ? value : Buffer.alloc(0);
}

/** An int32 field; 0 where it is unset. */
export function integer(message: Message, field: string): number {
  const value = message[field];
  return typeof value === 'number' ? value : 0;
}

/** A repeated string field. */
export function texts(message: Message, field: string): string[] {
  const value = message[field];
  return Array.isArray(value) ? value.filter((item) => typeof item === 'string') : [];
}

/** An Int64Value field; undefined where it was not sent. */
export function wrappedInteger(message: Message, field: string): bigint | undefined {
  const value = message[field];
  if (typeof value !== 'object' || value === null || !('value' in value)) return undefined;
  if (typeof value.value !== 'string') throw new ServiceError('INVALID_ARGUMENT', `Invalid value at '${field}'.`);
  return BigInt(value.value);
}
