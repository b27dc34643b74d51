/**
 * What Microsoft Entra ID and the endpoints of managed identities say when they give no token. Source: "Microsoft
 * Entra authentication and authorization error codes" (AADSTS numbers), RFC 6749 section 5.2, and "How to use managed
 * identities on a VM to acquire an access token: error handling".
 */
import type { KmsFault } from '../fault.ts';
import type { FaultRow, FaultTable } from './faults.ts';

const unavailable: FaultRow = { fault: { kind: 'outage', reason: 'KEY_SERVICE_UNAVAILABLE' } };
const throttled: FaultRow = { fault: { kind: 'outage', reason: 'KEY_SERVICE_THROTTLED' } };

function ours(advice: string): FaultRow {
  return { fault: { kind: 'credentials' }, advice };
}

function config(advice: string): FaultRow {
  return { fault: { kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' }, advice };
}

/** Without a token no request reaches the key, so a no of the customer's directory is one for the whole key. */
function refused(advice: string): FaultRow {
  const fault: KmsFault = { kind: 'refusal', reason: 'ROLE_DENIED', keyWide: true };
  return { fault, advice };
}

const wrongSecret = ours("put the value of a valid secret of the application into the secret's file");
const wrongAssertion = ours(
  "check the application's federated credential: issuer, subject and audience have to be those of keyproxy's token",
);
const unknownDirectory = config('check the tenant: no such directory exists');
const unknownApplication = config("check client_id, and that the application is installed in the customer's directory");
const unknownScope = config('check vault_url: the directory knows no service of this kind');

/** AADSTS number → meaning. */
export const entraFaults: FaultTable = {
  // Our own proof of who we are.
  7000215: wrongSecret,
  7000222: ours("the application's secret has expired; make a new one and put it into the secret's file"),
  7000218: wrongSecret,
  7000216: wrongSecret,
  700027: wrongAssertion,
  70025: wrongAssertion,
  700024: ours('the token that stands for this pod is outside of its time; check that its file is still renewed'),
  700021: wrongAssertion,
  700211: wrongAssertion,
  700212: wrongAssertion,
  700213: wrongAssertion,
  70021: wrongAssertion,
  50027: wrongAssertion,
  900144: wrongSecret,

  // What the tenant file names.
  90002: unknownDirectory,
  50049: config('check the origin of Microsoft Entra ID: it does not know itself by this name'),
  900023: unknownDirectory,
  700016: unknownApplication,
  700025: config('the application is a public client; it needs a secret or a federated credential'),
  500011: unknownScope,
  70011: unknownScope,
  650052: unknownScope,
  650057: unknownScope,
  1002012: unknownScope,

  // The customer's directory says no.
  7000112: refused("enable keyproxy's application in the customer's directory"),
  500014: refused("enable the service principal in the customer's directory"),
  50105: refused("assign keyproxy's application in the customer's directory"),
  53003: refused("let keyproxy's application through the conditional access policy of the customer's directory"),
  530035: refused("let keyproxy's application through the security defaults of the customer's directory"),
  65001: refused("give consent to keyproxy's application in the customer's directory"),
  90094: refused("give an administrator's consent to keyproxy's application in the customer's directory"),

  // The directory itself.
  90033: unavailable,
  90036: unavailable,
  90024: throttled,
  90055: throttled,
  50196: throttled,
};

/** Codes of RFC 6749 where no number says more, and those of the endpoint of managed identities. */
export const oauthFaults: FaultTable = {
  invalid_client: wrongSecret,
  unauthorized_client: unknownApplication,
  invalid_scope: unknownScope,
  invalid_resource: unknownScope,
  temporarily_unavailable: unavailable,
  server_error: unavailable,
  // IMDS: "Identity not found" for a machine or pod without one.
  invalid_request: config('assign a managed identity to this machine or pod, or check client_id'),
};
