/**
 * Writes the dashboards: `npm run docs`. A unit test holds the files to what this writes.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { cache } from './cache.ts';
import { keyServices } from './key-services.ts';
import { grafanaJson } from './model.ts';
import type { Dashboard } from './panel.ts';
import { revocation } from './revocation.ts';
import { service } from './service.ts';
import { tenants } from './tenants.ts';

/** All dashboards; the file of each is `<name>.json` beside this one. */
export const dashboards: readonly Dashboard[] = [service, cache, keyServices, tenants, revocation];

if (import.meta.main) {
  for (const dashboard of dashboards) {
    await writeFile(join(import.meta.dirname, `${dashboard.name}.json`), grafanaJson(dashboard));
  }
}
