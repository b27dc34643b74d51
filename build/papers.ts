/** What goes along with the program for those who check it: the bill of materials and the licences of others. */
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';
import { thirdPartyLicences } from './licence-texts.ts';
import { licenceProblems } from './licences.ts';
import { parseLockfile } from './lockfile.ts';
import { billOfMaterials } from './sbom.ts';
import { shipmentOf } from './shipped.ts';

/** A build to write about. */
export interface Papers {
  /** The project, absolute. */
  readonly root: string;
  /** Where the papers go, absolute. */
  readonly folder: string;
  readonly metafile: Metafile;
  /** Paths of the packages that were copied beside the bundle, `node_modules/…`. */
  readonly beside: readonly string[];
  /** `SOURCE_DATE_EPOCH`: seconds since 1970. */
  readonly sourceDate: string | undefined;
}

/**
 * Writes `sbom.cdx.json` and `THIRD-PARTY-LICENSES.txt`. Rejects, with all reasons, where something ships that is not
 * as the lockfile has it, has no hash there, or is under a licence that is not allowed or whose text is missing.
 */
export async function writePapers({ root, folder, metafile, beside, sourceDate }: Papers): Promise<void> {
  const lockOf = async (path: string) => parseLockfile(await readFile(join(root, path), 'utf8'));
  const [lock, installed] = [await lockOf('package-lock.json'), await lockOf('node_modules/.package-lock.json')];
  const shipment = shipmentOf({ lock, installed, metafile, beside });
  const problems = licenceProblems(shipment.packages);
  if (problems.length > 0) throw new Error(`this must not ship:\n${problems.join('\n')}`);
  const self = lock.packages.get('');
  if (self?.licence === undefined) throw new Error('the lockfile does not say what the project is; run npm install');
  const product = { name: self.name, version: self.version, licence: self.licence };
  const bill = billOfMaterials(shipment, { product, timestamp: dateOf(sourceDate) });
  await writeFile(join(folder, 'sbom.cdx.json'), bill);
  await writeFile(join(folder, 'THIRD-PARTY-LICENSES.txt'), await thirdPartyLicences(shipment.packages, root));
}

function dateOf(seconds: string | undefined): Date | undefined {
  if (seconds === undefined || seconds === '') return undefined;
  if (!/^\d{1,11}$/.test(seconds)) throw new Error('SOURCE_DATE_EPOCH is no whole number of seconds since 1970');
  return new Date(Number(seconds) * 1000);
}
