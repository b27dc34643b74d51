/** What a well-formed request is (RFC 9113 sections 8.1.1, 8.2 and 8.3.1). */
import { StreamError } from './errors.ts';
import { errorCodes } from './frames.ts';
import type { DecodedBlock } from './hpack/decoder.ts';
import type { HeaderField, HeaderList } from './hpack/field.ts';

/** The head of a request. The same head, as an object, stands for the same bytes on the same connection. */
export interface RequestHead {
  readonly method: string;
  readonly scheme: string;
  readonly path: string;
  /** Empty where the client sent none. */
  readonly authority: string;
  /** All other fields, in their order. */
  readonly fields: HeaderList;
  /** What `content-length` announces, in bytes; undefined without it. */
  readonly contentLength: number | undefined;
}

const pseudoNames = [':method', ':scheme', ':path', ':authority'] as const;
type PseudoName = (typeof pseudoNames)[number];

/** Fields that speak of a connection, which HTTP/2 does itself (section 8.2.2). */
const ofConnection = new Set(['connection', 'keep-alive', 'proxy-connection', 'transfer-encoding', 'upgrade']);

const heads = new WeakMap<DecodedBlock, RequestHead>();

/** The request that a block of fields begins. Throws a StreamError for a malformed one. */
export function requestHead(block: DecodedBlock): RequestHead {
  let head = heads.get(block);
  if (head === undefined) {
    head = readHead(block.fields);
    heads.set(block, head);
  }
  return head;
}

/** Fields after the body. Throws a StreamError for malformed ones. */
export function trailerFields({ fields }: DecodedBlock): HeaderList {
  for (const field of fields) {
    if (field.name.startsWith(':')) malformed('a pseudo-header field is among the trailers');
    checkField(field);
  }
  return fields;
}

function readHead(all: HeaderList): RequestHead {
  const pseudo: Partial<Record<PseudoName, string>> = {};
  const fields: HeaderField[] = [];
  for (const field of all) {
    if (!field.name.startsWith(':')) {
      checkField(field);
      fields.push(field);
      continue;
    }
    const name = pseudoNames.find((known) => known === field.name);
    if (name === undefined) malformed('a pseudo-header field is unknown');
    if (fields.length > 0) malformed('a pseudo-header field stands after other fields');
    if (pseudo[name] !== undefined) malformed('a pseudo-header field occurs twice');
    checkValue(field.value);
    pseudo[name] = field.value;
  }
  const { ':method': method, ':scheme': scheme, ':path': path } = pseudo;
  if (!method || !scheme || !path) malformed('a request needs :method, :scheme and :path');
  const authority = pseudo[':authority'] ?? fields.find(({ name }) => name === 'host')?.value ?? '';
  return { method, scheme, path, authority, fields, contentLength: contentLengthOf(fields) };
}

function checkField({ name, value }: HeaderField): void {
  if (!isName(name)) malformed('the name of a field has a character that is not allowed');
  if (ofConnection.has(name)) malformed('a field of HTTP/1.1 connections has no place in HTTP/2');
  if (name === 'te' && value !== 'trailers') malformed('te has a value other than trailers');
  checkValue(value);
}

/** Section 8.2.1: no control characters or space, no capitals, nothing over ASCII, and no colon. */
function isName(name: string): boolean {
  for (let i = 0; i < name.length; i++) {
    const char = name.charCodeAt(i);
    if (char <= 0x20 || (char >= 0x41 && char <= 0x5a) || char >= 0x7f || char === 0x3a) return false;
  }
  return name.length > 0;
}

/** Section 8.2.1: no zero, no end of line, no space around. */
function checkValue(value: string): void {
  const isFramed = (char: number) => char === 0x20 || char === 0x09;
  for (let i = 0; i < value.length; i++) {
    const char = value.charCodeAt(i);
    if (char === 0 || char === 0x0a || char === 0x0d) malformed('the value of a field has a forbidden character');
  }
  if (value.length > 0 && (isFramed(value.charCodeAt(0)) || isFramed(value.charCodeAt(value.length - 1)))) {
    malformed('the value of a field begins or ends with a space');
  }
}

function contentLengthOf(fields: HeaderList): number | undefined {
  const values = fields.filter(({ name }) => name === 'content-length').map(({ value }) => value);
  const [first] = values;
  if (first === undefined) return undefined;
  if (!/^\d{1,15}$/.test(first) || values.some((value) => value !== first)) malformed('content-length is no length');
  return Number(first);
}

function malformed(why: string): never {
  throw new StreamError(errorCodes.protocolError, why);
}
