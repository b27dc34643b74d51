/** What both sides know from the start: the static table (RFC 7541 appendix A), and how large the other one is. */
import type { HeaderField } from './field.ts';
import { FieldIndex } from './field-index.ts';

/** The largest size of a dynamic table until settings and updates say otherwise, in bytes (RFC 9113 section 6.5.2). */
export const defaultTableSize = 4096;

/** Names in the order of their indices, with the values that have an index of their own. */
const rows: readonly (readonly [name: string, ...values: readonly string[]])[] = [
  [':authority', ''],
  [':method', 'GET', 'POST'],
  [':path', '/', '/index.html'],
  [':scheme', 'http', 'https'],
  [':status', '200', '204', '206', '304', '400', '404', '500'],
  ['accept-charset', ''],
  ['accept-encoding', 'gzip, deflate'],
  ['accept-language', ''],
  ['accept-ranges', ''],
  ['accept', ''],
  ['access-control-allow-origin', ''],
  ['age', ''],
  ['allow', ''],
  ['authorization', ''],
  ['cache-control', ''],
  ['content-disposition', ''],
  ['content-encoding', ''],
  ['content-language', ''],
  ['content-length', ''],
  ['content-location', ''],
  ['content-range', ''],
  ['content-type', ''],
  ['cookie', ''],
  ['date', ''],
  ['etag', ''],
  ['expect', ''],
  ['expires', ''],
  ['from', ''],
  ['host', ''],
  ['if-match', ''],
  ['if-modified-since', ''],
  ['if-none-match', ''],
  ['if-range', ''],
  ['if-unmodified-since', ''],
  ['last-modified', ''],
  ['link', ''],
  ['location', ''],
  ['max-forwards', ''],
  ['proxy-authenticate', ''],
  ['proxy-authorization', ''],
  ['range', ''],
  ['referer', ''],
  ['refresh', ''],
  ['retry-after', ''],
  ['server', ''],
  ['set-cookie', ''],
  ['strict-transport-security', ''],
  ['transfer-encoding', ''],
  ['user-agent', ''],
  ['vary', ''],
  ['via', ''],
  ['www-authenticate', ''],
];

/** Its fields, the one of index 1 first. */
export const staticFields: readonly HeaderField[] = rows.flatMap(([name, ...values]) => {
  return values.map((value) => ({ name, value }));
});

/** The index of each of them; of those that share a name, the first stands for the name. */
export const staticIndex: FieldIndex = new FieldIndex();
// From the back, since the last one added stands for its name.
staticFields.toReversed().forEach((field, before) => {
  staticIndex.add(field, staticFields.length - before);
});
