/** What a header block carries: fields, each a name and a value, in the order in which they were sent. */

/** A header field. Names and values are bytes, one character each (latin1); nothing here looks at what they mean. */
export interface HeaderField {
  readonly name: string;
  readonly value: string;
}

/** The fields of one header block. */
export type HeaderList = readonly HeaderField[];

/** What each field counts beside its bytes, in lists and in tables (RFC 7541 section 4.1, RFC 9113 section 6.5.2). */
export const fieldOverhead = 32;

/** What a field counts in a dynamic table and in the size of a list, in bytes (RFC 7541 section 4.1). */
export function fieldSize({ name, value }: HeaderField): number {
  return name.length + value.length + fieldOverhead;
}
