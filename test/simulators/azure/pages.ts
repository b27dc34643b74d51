/** Lists as the service hands them out: in pages of up to 25, each with the address of the next. */
import type { Request } from './answering.ts';
import { badParameter } from './vault-errors.ts';

const mostOnAPage = 25;

/** The page that a request asks for; `address` is the list's own, without a query. */
export function page(items: readonly object[], { query }: Request, address: string): object {
  const size = query.has('maxresults') ? Number(query.get('maxresults')) : mostOnAPage;
  if (!Number.isInteger(size) || size < 1 || size > mostOnAPage)
    throw badParameter('Property maxresults has invalid value');
  const start = Number(query.get('$skiptoken') ?? 0);
  if (!Number.isInteger(start) || start < 0) throw badParameter('Property $skiptoken has invalid value');
  const end = start + size;
  const next = new URLSearchParams({
    'api-version': query.get('api-version') ?? '',
    $skiptoken: String(end),
    maxresults: String(size),
  });
  return { value: items.slice(start, end), nextLink: end < items.length ? `${address}?${next}` : null };
}
