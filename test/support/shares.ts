/** A share of memory for a connection that is alone. */
import { Share } from '../../src/rpc/native/share.ts';

export function lonelyShare(most: number): Share {
  return new Share({ most, mostOfAll: Number.POSITIVE_INFINITY, common: { bytes: 0 } });
}
