/** What a key service calls a request of ours, so that an entry of keyproxy's log leads to one of the customer's. */

/** Filled in by a call that its service answered with success; handed in by whoever makes the call. */
export interface ProviderNote {
  /**
   * The id that the service's own audit log has for the request: of AWS CloudTrail, of the diagnostic log of Key Vault,
   * of Vault's audit device. Absent where no service was asked (a wrap with a public key, a local key), and for Google
   * Cloud KMS, which gives none with an answer that is a success.
   */
  requestId?: string;
}

/** Longer and stranger ones would be somebody else's text in our log. */
const requestIdPattern = /^[A-Za-z0-9_-]{1,128}$/;

/** `value` where it is a request id; undefined where it is anything else. */
export function requestIdOf(value: unknown): string | undefined {
  return typeof value === 'string' && requestIdPattern.test(value) ? value : undefined;
}

/** Notes under which id a service has answered; an answer without one leaves nothing of an earlier answer. */
export function noteRequest(note: ProviderNote | undefined, id: unknown): void {
  if (note === undefined) return;
  const requestId = requestIdOf(id);
  if (requestId === undefined) delete note.requestId;
  else note.requestId = requestId;
}
