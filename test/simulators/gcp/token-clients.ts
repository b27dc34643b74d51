/** Requests to the token services by hand, and a way to see what a token is good for. */
import { rawClient } from './clients.ts';
import type { GcpSimulator } from './server.ts';

/** The scope of everything. */
export const platformScope = 'https://www.googleapis.com/auth/cloud-platform';

/** An answer of a token service. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Readonly<Record<string, unknown>>;
}

/** Sends a form or JSON, with a token where one is given. */
export async function post(url: string, body: object | URLSearchParams, token?: string): Promise<Answer> {
  const form = body instanceof URLSearchParams;
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': form ? 'application/x-www-form-urlencoded' : 'application/json',
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    },
    body: form ? body : JSON.stringify(body),
  });
  return { status: response.status, headers: response.headers, body: (await response.json()) as Answer['body'] };
}

/** Uses a token on a new key that `member` may encrypt with; says as whom the simulator knew it. */
export async function works(gcp: GcpSimulator, token: unknown, member: string): Promise<string> {
  const key = gcp.createKey();
  gcp.grant(member, key.name, 'roles/cloudkms.cryptoKeyEncrypter');
  using client = rawClient(gcp, String(token));
  await client.call('Encrypt', { name: key.name, plaintext: Buffer.from('x') });
  return gcp.calls.at(-1)?.principal ?? '';
}
