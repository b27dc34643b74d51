/** The end of a call as fields (PROTOCOL-HTTP2.md, Trailers). */
import type { HeaderList } from '../../h2/hpack/field.ts';
import type { Status } from './handler.ts';

/** The end of a call that went well. */
export const okFields: HeaderList = [{ name: 'grpc-status', value: '0' }];

/** The end of a call that did not. */
export function statusFields({ code, message, trailers = [] }: Status): HeaderList {
  return [
    { name: 'grpc-status', value: String(code) },
    { name: 'grpc-message', value: percentEncoded(message) },
    ...trailers,
  ];
}

/** Status-Message: UTF-8, and every byte but the printable ones of ASCII in percent form, the percent sign too. */
function percentEncoded(text: string): string {
  let encoded = '';
  for (const byte of Buffer.from(text, 'utf8')) {
    encoded +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;
  }
  return encoded;
}
