/**
 * The one field of a webhook's configuration that is the injector's: `caBundle`, by which the API server knows the
 * webhook. Everything else there belongs to whoever installed it, and a patch of this field alone leaves it be.
 */
import { X509Certificate } from 'node:crypto';
import { type ApiServer, unexpected } from './api-server.ts';
import { authorityName } from './authority.ts';

/** A kind of configuration, and the webhook's name in it. */
interface Registration {
  readonly resource: string;
  readonly webhook: string;
}

/** Where the injector is registered: to change pods, and to look at them when all others have changed them. */
export const registrations = [
  { resource: 'mutatingwebhookconfigurations', webhook: 'inject.keyproxy.io' },
  { resource: 'validatingwebhookconfigurations', webhook: 'check.keyproxy.io' },
] as const satisfies readonly Registration[];

export interface TrustBundle {
  readonly path: string;
  /** The webhook's name. */
  readonly webhook: string;
  readonly resourceVersion: string;
  /** Its place among the webhooks of the configuration. */
  readonly index: number;
  /** Certificates in PEM, those alone that can be read. */
  readonly certs: readonly string[];
}

/** How many authorities stay beside those that are wanted; a Secret that is lost leaves one each time. */
const mostKept = 8;

/** RFC 7468, section 5. */
const certificateBlock = /-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g;

/**
 * Reads it; undefined where there is no such webhook. Rejects where the API server does not answer, or does not let the
 * injector.
 */
export async function readBundle(
  api: ApiServer,
  configuration: string,
  { resource, webhook }: Registration,
): Promise<TrustBundle | undefined> {
  const path = `/apis/admissionregistration.k8s.io/v1/${resource}/${configuration}`;
  const call = { method: 'GET', path } as const;
  const { status, body } = await api.call(call);
  if (status === 404) return undefined;
  if (status !== 200) throw unexpected(call, status);
  const { metadata, webhooks = [] } = body as WebhookConfiguration;
  const index = webhooks.findIndex(({ name }) => name === webhook);
  if (index === -1) return undefined;
  const pem = Buffer.from(webhooks[index]?.clientConfig?.caBundle ?? '', 'base64').toString('latin1');
  const certs = (pem.match(certificateBlock) ?? []).filter((cert) => parsed(cert) !== undefined);
  return { path, webhook, index, certs, resourceVersion: metadata.resourceVersion };
}

/** The fields that are read of a configuration; the API server vouches for its form. */
interface WebhookConfiguration {
  readonly metadata: { readonly resourceVersion: string };
  readonly webhooks?: readonly { readonly name: string; readonly clientConfig?: { readonly caBundle?: string } }[];
}

/** Whether a bundle has a certificate. */
export function trusts({ certs }: Pick<TrustBundle, 'certs'>, cert: string): boolean {
  const wanted = parsed(cert)?.fingerprint256;
  return certs.some((present) => parsed(present)?.fingerprint256 === wanted);
}

/**
 * Adds what is missing, in front. Authorities of an injector that have not ended stay, the last eight of them, whoever
 * wrote them: a replica that has not heard of a rotation yet must not take the newer one away. All others go. Whether it
 * is done: not where the configuration has changed since it was read.
 */
export async function completeBundle(
  api: ApiServer,
  bundle: TrustBundle,
  { wanted, now }: { readonly wanted: readonly string[]; readonly now: number },
): Promise<boolean> {
  if (wanted.every((cert) => trusts(bundle, cert))) return true;
  const kept = bundle.certs.filter((cert) => isOwn(cert, now) && !trusts({ certs: wanted }, cert)).slice(0, mostKept);
  const value = Buffer.from([...wanted, ...kept].map((cert) => `${cert.trim()}\n`).join('')).toString('base64');
  const place = `/webhooks/${bundle.index}`;
  const { status } = await api.call({
    method: 'PATCH',
    path: bundle.path,
    body: [
      { op: 'test', path: '/metadata/resourceVersion', value: bundle.resourceVersion },
      { op: 'test', path: `${place}/name`, value: bundle.webhook },
      { op: 'add', path: `${place}/clientConfig/caBundle`, value },
    ],
  });
  // 422 is what a test that does not hold gives.
  if (status === 409 || status === 422) return false;
  if (status !== 200) throw unexpected({ method: 'PATCH', path: bundle.path }, status);
  return true;
}

function isOwn(cert: string, now: number): boolean {
  const certificate = parsed(cert);
  if (certificate === undefined) return false;
  return certificate.subject.startsWith(`CN=${authorityName} `) && certificate.validToDate.getTime() > now;
}

function parsed(cert: string): X509Certificate | undefined {
  try {
    return new X509Certificate(cert);
  } catch {
    return undefined;
  }
}
