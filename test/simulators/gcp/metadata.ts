/**
 * The metadata server of a machine, as far as credentials go.
 *
 * Source: "View and query VM metadata" (https://cloud.google.com/compute/docs/metadata/querying-metadata): the header is
 * demanded and answered; a token is handed out again until it is about to end.
 */
import type { Account, SimulatedCloud } from './cloud.ts';
import { json, type TokenAnswer, type TokenRequest } from './token-request.ts';

const root = '/computeMetadata/v1';
const account = `${root}/instance/service-accounts/default`;
const scopes = ['https://www.googleapis.com/auth/cloud-platform'];
/** A token with less than this left is replaced, in milliseconds. */
const freshMs = 300_000;

const handedOut = new WeakMap<SimulatedCloud, Map<string, { token: string; expiresAt: number }>>();

/** Answers what the credential libraries ask; 404 for everything else, and for a machine without an account. */
export function readMetadata(request: TokenRequest): TokenAnswer {
  const { attached } = request.cloud;
  if (request.headers['metadata-flavor'] !== 'Google') return plain('Missing Metadata-Flavor:Google header.', 403);
  const path = request.path.replace(/\/$/, '');
  if (path === `${root}/instance`) return plain('service-accounts/\n');
  if (path === `${root}/universe/universe-domain`) return plain('googleapis.com');
  if (attached === undefined) return plain('Not Found', 404);
  request.identify(attached.email);
  if (path === `${root}/project/project-id`) return plain(attached.project);
  if (path === `${account}/email`) return plain(attached.email);
  if (path === `${account}/token`) return token(request, attached);
  if (path === account) return json({ aliases: ['default'], email: attached.email, scopes });
  return plain('Not Found', 404);
}

function token({ cloud, query }: TokenRequest, { email, project }: Account): TokenAnswer {
  const asked = query.get('scopes')?.split(',') ?? scopes;
  const kept = handedOut.get(cloud) ?? new Map();
  handedOut.set(cloud, kept);
  const name = `${email} ${asked.join()}`;
  const known = kept.get(name);
  const alive = known === undefined ? 0 : (cloud.tokens.find(known.token)?.expiresAt ?? 0) - cloud.now();
  const held =
    known !== undefined && alive > freshMs ? known : cloud.tokens.issue({ principal: email, project, scopes: asked });
  kept.set(name, held);
  const expires_in = Math.floor((held.expiresAt - cloud.now()) / 1000);
  return json({ access_token: held.token, expires_in, token_type: 'Bearer' });
}

function plain(body: string, status = 200): TokenAnswer {
  return { status, body, contentType: 'application/text' };
}
