/**
 * The service account of the machine or pod, from its metadata server
 * (https://cloud.google.com/compute/docs/metadata/overview). It is asked anew each time: the official library takes a
 * server that was not there yet when it was first asked for one that never comes, which on GKE is common.
 */
import { KmsError } from '../fault.ts';
import type { GcpToken } from './token.ts';
import { tokenFromExchange } from './token-answer.ts';
import { metadataFaults } from './token-faults.ts';
import { askTokenService, type TokenService } from './token-http.ts';

const path = '/computeMetadata/v1/instance/service-accounts/default/token';
const operation = 'GetMachineToken';
const hostPattern = /^[A-Za-z0-9.-]{1,253}(:\d{1,5})?$/;

/** A token of the machine's service account. Where there is no metadata server at all, a fault of the credentials. */
export async function machineToken(service: TokenService & { readonly scope: string }): Promise<GcpToken> {
  const url = `http://${metadataHost()}${path}?${new URLSearchParams({ scopes: service.scope })}`;
  const headers = { 'metadata-flavor': 'Google' };
  const answer = await askTokenService(service, { operation, url, headers, faults: metadataFaults }).catch((error) => {
    throw isAbsent(error) ? noneFound(error) : error;
  });
  return tokenFromExchange(operation, answer, service.clock);
}

/** Google's own libraries read the same variable. */
function metadataHost(): string {
  const { GCE_METADATA_HOST: host = '' } = process.env;
  return hostPattern.test(host) ? host : 'metadata.google.internal';
}

/** A name that does not exist, or a server that knows no service account and says so in plain text. */
function isAbsent(error: unknown): error is KmsError {
  return error instanceof KmsError && ['ENOTFOUND', 'HTTP 404'].includes(error.details.providerCode ?? '');
}

function noneFound({ details }: KmsError): KmsError {
  const advice =
    'there are no default credentials: set GOOGLE_APPLICATION_CREDENTIALS, or run where a service account is attached';
  return new KmsError({ kind: 'credentials' }, { ...details, advice });
}
