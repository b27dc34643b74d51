/** Where development must not run, and what it needs on disk. */

import { chmod, mkdir } from 'node:fs/promises';
import { dirname } from 'node:path';
import { codeOf } from '../base/system-code.ts';
import type { TenantConfig } from '../config/tenant-file.ts';
import type { KeyConfig } from '../kms/key-config.ts';
import { createLocalKeyFile } from '../kms/local/key-file.ts';
import { StartupError } from './startup-error.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** Why a key in a file is out of the question here; undefined where it may be used. */
export function whyNoLocalKeys(env: Environment): string | undefined {
  if (env['NODE_ENV'] === 'production') return 'NODE_ENV is production';
  if (env['KUBERNETES_SERVICE_HOST'] !== undefined) return 'this is a Kubernetes pod';
  return undefined;
}

/**
 * Makes the key files of embedded tenants where they are missing: mode 0600, in a folder of mode 0700. Throws a
 * StartupError where the disk refuses.
 */
export async function ensureDevelopmentKeys(tenants: readonly TenantConfig[]): Promise<void> {
  for (const file of new Set(tenants.flatMap((tenant) => keyFilesOf(tenant.key)))) {
    await ownFolder(dirname(file));
    await createLocalKeyFile(file).catch((error) => {
      if (!isExists(error)) throw new StartupError(describe(error), error);
    });
  }
}

function keyFilesOf(key: KeyConfig): string[] {
  return key.provider === 'local' ? [key.keyFile] : [];
}

async function ownFolder(folder: string): Promise<void> {
  try {
    await mkdir(folder, { recursive: true });
    await chmod(folder, 0o700);
  } catch (error) {
    throw new StartupError(`cannot make the folder ${folder}: ${codeOf(error)}`, error);
  }
}

/** The key of an earlier run: the system's own code is inside the failure. */
function isExists(error: unknown): boolean {
  return error instanceof Error && codeOf(error.cause) === 'EEXIST';
}

function describe(error: unknown): string {
  return error instanceof Error ? error.message : 'cannot make a key file';
}
