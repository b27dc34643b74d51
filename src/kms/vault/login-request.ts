/**
 * What keyproxy shows to Vault to get a token: a secret id (AppRole) or a projected service-account token
 * (Kubernetes), read from its file at each login. What was read never becomes a string that outlives the check.
 */

import { createHash } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { ownBytes } from '../../base/bytes.ts';
import { KmsError } from '../fault.ts';
import { fields } from '../fields.ts';
import type { VaultAuth } from '../key-config.ts';

/** A login, ready to be sent. */
export interface LoginRequest {
  /** Below `/v1/`. */
  readonly path: string;
  /** JSON, with the secret in it; belongs to whoever receives it. */
  readonly body: Buffer;
  /** Stands for what is shown: the same for the same content. */
  readonly proof: string;
}

/** A secret id is 36 characters, a service-account token a few KiB. */
const maxFileBytes = 64 * 1024;
/** The two methods in Vault's API documentation: the role's part and the secret's. */
const shown = {
  approle: { roleField: 'role_id', secretField: 'secret_id', file: 'secret_id_file' },
  kubernetes: { roleField: 'role', secretField: 'jwt', file: 'token_file' },
} as const;

/** Reads the file and makes the request. Throws a `KmsError` where there is nothing that may be shown. */
export async function loginRequest(auth: VaultAuth): Promise<LoginRequest> {
  const { roleField, secretField, file } = shown[auth.method];
  const role = auth.method === 'approle' ? auth.roleId : auth.role;
  const content = await contentOf(auth.method === 'approle' ? auth.secretIdFile : auth.tokenFile, file);
  try {
    const secret = trimmed(content);
    if (!isPlain(secret)) throw unusable('FileMalformed', `put the bare secret into the file that ${file} names`);
    if (auth.method === 'kubernetes') checkAudience(secret, auth.audience);
    else checkNoToken(secret);
    const head = Buffer.from(`{${JSON.stringify(roleField)}:${JSON.stringify(role)},${JSON.stringify(secretField)}:"`);
    const body = ownBytes(head.length + secret.length + 2);
    body.set(head, 0);
    body.set(secret, head.length);
    body.write('"}', head.length + secret.length, 'latin1');
    const proof = createHash('sha256').update(secret).digest('base64');
    return { path: `auth/${auth.mount}/login`, body, proof };
  } finally {
    content.fill(0);
  }
}

async function contentOf(path: string, file: string): Promise<Buffer> {
  const found = await stat(path).catch(() => undefined);
  // A device or a pipe has no end that reading could come to.
  if (found?.isFile() !== true) throw unusable('FileUnreadable', `make ${file} name a file that keyproxy can read`);
  if (found.size > maxFileBytes) {
    throw unusable('FileTooLong', `make ${file} name the file with the secret; this one is far too long`);
  }
  const content = await readFile(path).catch(() => undefined);
  if (content === undefined) throw unusable('FileUnreadable', `make ${file} name a file that keyproxy can read`);
  return content;
}

/** A view without blanks and line ends at both ends. */
function trimmed(content: Buffer): Buffer {
  let [start, end] = [0, content.length];
  while (start < end && (content[start] ?? 0) <= 0x20) start++;
  while (end > start && (content[end - 1] ?? 0) <= 0x20) end--;
  return content.subarray(start, end);
}

/** Whether it is visible ASCII that stands for itself between the quotes of a JSON string. */
function isPlain(secret: Buffer): boolean {
  return secret.length > 0 && secret.every((byte) => byte > 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c);
}

/**
 * Requires that a token is for this Vault alone. One that is for somebody else, too, must not get there: whoever runs
 * this Vault could go on to use it where it is good (RFC 7519, section 4.1.3, `aud`).
 */
function checkAudience(token: Buffer, audience: string): void {
  const { aud } = claimsOf(token);
  const audiences = Array.isArray(aud) ? aud : [aud];
  if (audiences.length === 1 && audiences[0] === audience) return;
  throw unusable(
    'AudienceDiffers',
    'mount a projected token whose audience is the one of the vault block, and no other',
  );
}

/** Requires that what goes out as a secret id is no token: it would get to this Vault whatever its audience is. */
function checkNoToken(secret: Buffer): void {
  if (Object.keys(claimsOf(secret)).length === 0) return;
  throw unusable(
    'FileHoldsToken',
    'make secret_id_file name the file with the secret id: this one holds a token, which is shown to no AppRole login',
  );
}

/** The claims of a JSON Web Token, whose signature is Vault's to check; none where it is not one. */
function claimsOf(token: Buffer): Readonly<Record<string, unknown>> {
  const parts = token.toString('latin1').split('.');
  if (parts.length !== 3) return {};
  try {
    return fields(JSON.parse(Buffer.from(parts[1] ?? '', 'base64url').toString('utf8')));
  } catch {
    return {};
  }
}

function unusable(providerCode: string, advice: string): KmsError {
  const fault = { kind: 'config', reason: 'KEY_SERVICE_MISCONFIGURED' } as const;
  return new KmsError(fault, { provider: 'vault', operation: 'login', providerCode, advice });
}
