/** Tokens out of the answers of Google's token services. */

import type { Clock } from '../../base/clock.ts';
import type { Fields } from '../fields.ts';
import { unavailable } from './faults.ts';
import type { GcpToken } from './token.ts';
import { tokenError } from './token-http.ts';

/** What may stand in a header; nothing else is taken for a token. */
const tokenPattern = /^[\x21-\x7e]{1,16384}$/;

/** The token of an OAuth 2.0 answer (RFC 6749, section 5.1). Throws an outage where there is none. */
export function tokenFromExchange(operation: string, answer: Fields, clock: Clock): GcpToken {
  const seconds = Number(answer['expires_in']);
  const expiration = new Date(clock.now() + seconds * 1000);
  return tokenOf(operation, answer['access_token'], seconds > 0 ? expiration : undefined);
}

/** The token of `generateAccessToken`. Throws an outage where there is none. */
export function tokenFromImpersonation(operation: string, answer: Fields): GcpToken {
  const end = answer['expireTime'];
  return tokenOf(operation, answer['accessToken'], typeof end === 'string' ? new Date(end) : undefined);
}

/** A token with its end, which every token of Google's has. */
export function tokenOf(operation: string, token: unknown, expiration: Date | undefined): GcpToken {
  const isWhole = typeof token === 'string' && tokenPattern.test(token);
  if (!isWhole || expiration === undefined || Number.isNaN(expiration.getTime())) {
    throw tokenError(operation, unavailable, 'IncompleteAnswer');
  }
  return { authorization: `Bearer ${token}`, expiration };
}
