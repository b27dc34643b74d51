/**
 * Whom an X.509-SVID names (https://github.com/spiffe/spiffe/blob/main/standards/X509-SVID.md). TLS has checked chain,
 * validity and possession of the key before; here are the rules that X.509 does not have (section 5.2), and those of
 * sections 4.3 and 4.4 that bound what a key may be used for. What these sections ask of an issuer alone is not asked
 * again: which extensions are critical, and that a certificate which may be shown by clients may be shown by servers too.
 */
import { parseSpiffeId } from './spiffe-id.ts';
import { DerError } from './svid-der.ts';
import { clientAuth, readSvidExtensions, type SvidExtensions } from './svid-extensions.ts';

/** What a certificate turned out to be. */
export type SvidVerdict =
  /** One of this trust domain; `id` is the whole name. */
  | { readonly kind: 'svid'; readonly id: string }
  /** None that is accepted; `why` is a clause that shows nothing of the certificate. */
  | { readonly kind: 'refused'; readonly why: string };

/** Judges a leaf certificate (DER) that TLS has accepted. Never throws. */
export function judgeSvid(der: Buffer, trustDomain: string): SvidVerdict {
  try {
    return judge(readSvidExtensions(der), trustDomain);
  } catch (error) {
    if (error instanceof DerError) return refused(`it is no certificate in strict DER: ${error.message}`);
    throw error;
  }
}

function judge(extensions: SvidExtensions, trustDomain: string): SvidVerdict {
  const { uris, isAuthority, keyUsage, extendedKeyUsage } = extensions;
  if (isAuthority) return refused('it is that of an authority; only a leaf says who calls');
  if (keyUsage === undefined) return refused('it has no key usage; an SVID has one');
  if (keyUsage.keyCertSign || keyUsage.cRLSign) return refused('its key may sign certificates or revocation lists');
  if (!keyUsage.digitalSignature) return refused('its key may not make signatures (digitalSignature)');
  if (extendedKeyUsage !== undefined && !extendedKeyUsage.includes(clientAuth)) {
    return refused('its extended key usage does not have clientAuth');
  }
  const [uri, ...more] = uris;
  if (uri === undefined) return refused('it names no URI; an SVID names exactly one');
  if (more.length > 0) return refused('it names more than one URI; an SVID names exactly one');
  const id = parseSpiffeId(uri);
  if (id === undefined) return refused('its URI is no valid SPIFFE ID');
  if (id.path === '') return refused('its SPIFFE ID has no path, and names a trust domain and no workload');
  if (id.trustDomain !== trustDomain) return refused('it is of another trust domain');
  return { kind: 'svid', id: uri };
}

function refused(why: string): SvidVerdict {
  return { kind: 'refused', why };
}
