/** How Entra makes sure that a client is the application that it says it is: by a secret, or by another's token. */
import type { KeyObject } from 'node:crypto';
import type { Notes, ServiceError } from './answering.ts';
import {
  type ApplicationRecord,
  type Directory,
  type FederatedCredential,
  isSecret,
  type Tenant,
} from './directory.ts';
import { type AadstsCode, aadsts, type ErrorContext } from './entra-errors.ts';
import { printable, required } from './entra-request.ts';
import { type ParsedJwt, parseJwt } from './jwt.ts';

const jwtBearer = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer';

/** One request for a token, of an application of one tenant. */
interface Attempt {
  readonly directory: Directory;
  readonly now: () => number;
  readonly tenant: Tenant;
  readonly errors: ErrorContext;
  readonly notes: Notes;
}

/** The application that the fields prove to be the caller; throws what Entra answers where they do not. */
export async function authenticate(fields: URLSearchParams, attempt: Attempt): Promise<ApplicationRecord> {
  const { directory, tenant, errors, notes } = attempt;
  const clientId = required(fields, 'client_id', errors);
  const application = directory.application(clientId, tenant.id);
  if (application === undefined) {
    throw aadsts(
      700016,
      `Application with identifier '${printable(clientId)}' was not found in the directory '${tenant.id}'.`,
      errors,
    );
  }
  notes.clientId = application.clientId;
  if (!application.enabled) throw aadsts(7000112, `Application '${application.clientId}' is disabled.`, errors);
  await checkCredential(fields, application, attempt);
  if (application.blocked) throw aadsts(53003, 'Access has been blocked by Conditional Access policies.', errors);
  return application;
}

async function checkCredential(
  fields: URLSearchParams,
  application: ApplicationRecord,
  attempt: Attempt,
): Promise<void> {
  const { errors } = attempt;
  const secret = fields.get('client_secret') ?? '';
  const assertion = fields.get('client_assertion') ?? '';
  if (assertion !== '') {
    const type = required(fields, 'client_assertion_type', errors);
    if (type !== jwtBearer) throw aadsts(50027, 'The client assertion type is not supported.', errors);
    return checkAssertion(assertion, application, attempt);
  }
  if (secret === '') {
    const missing = "One of 'client_assertion', 'client_secret' or 'request' is required for this grant type.";
    throw aadsts(7000216, missing, errors);
  }
  if (!isSecret(application, secret)) {
    throw aadsts(7000215, `Invalid client secret provided for app '${application.clientId}'.`, errors);
  }
  if (application.secretState === 'expired') {
    throw aadsts(7000222, `The provided client secret keys for app '${application.clientId}' are expired.`, errors);
  }
}

/** Checks a token of another issuer as "Workload identity federation" has it: record, signature, time. */
async function checkAssertion(
  assertion: string,
  application: ApplicationRecord,
  { directory, errors, now }: Attempt,
): Promise<void> {
  const token = parseJwt(assertion);
  if (token === undefined) throw aadsts(50027, 'JWT token is invalid or malformed.', errors);
  const mismatch = mismatchOf(token, application.federated);
  if (mismatch !== undefined) throw unmatched(mismatch, { application, errors });
  const key: KeyObject | undefined = (await directory.issuerKey(String(token.claims['iss'])))?.publicKey;
  if (key === undefined || !token.isSignedBy(key)) {
    throw aadsts(
      700027,
      'The certificate with identifier used to sign the client assertion is not registered.',
      errors,
    );
  }
  const { nbf, exp } = token.claims;
  const seconds = now() / 1000;
  // The service allows for clocks that differ by up to five minutes.
  const inTime = typeof exp === 'number' && exp > seconds - 300 && (typeof nbf !== 'number' || nbf < seconds + 300);
  if (!inTime) throw aadsts(700024, 'Client assertion is not within its valid time range.', errors);
}

type Mismatch = 'none' | 'issuer' | 'subject' | 'audience' | 'combination';

/** What keeps a token from being any of the federated credentials; undefined when it is one of them. */
function mismatchOf(token: ParsedJwt, records: readonly FederatedCredential[]): Mismatch | undefined {
  if (records.length === 0) return 'none';
  const { iss, sub, aud } = token.claims;
  const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
  const fits = {
    issuer: (record: FederatedCredential) => record.issuer === iss,
    subject: (record: FederatedCredential) => record.subject === sub,
    audience: (record: FederatedCredential) => audiences.includes(record.audience),
  };
  if (records.some((record) => fits.issuer(record) && fits.subject(record) && fits.audience(record))) return undefined;
  for (const part of ['issuer', 'subject', 'audience'] as const) if (!records.some(fits[part])) return part;
  return 'combination';
}

const mismatches: Record<Mismatch, { readonly code: AadstsCode; readonly what: string }> = {
  none: { code: 70025, what: 'The client has no configured federated identity credentials' },
  issuer: { code: 700211, what: 'No matching federated identity record found for presented assertion issuer' },
  subject: { code: 700213, what: 'No matching federated identity record found for presented assertion subject' },
  audience: { code: 700212, what: 'No matching federated identity record found for presented assertion audience' },
  combination: { code: 70021, what: 'No matching federated identity record found for presented assertion' },
};

function unmatched(
  mismatch: Mismatch,
  { application, errors }: { application: ApplicationRecord; errors: ErrorContext },
): ServiceError {
  const { code, what } = mismatches[mismatch];
  return aadsts(code, `${what} (application '${application.clientId}').`, errors);
}
