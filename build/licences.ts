/** Which licences may ship, and what to do for each. The build fails on any other. */
import type { LockedPackage } from './lockfile.ts';

/** SPDX id → what it asks of whoever ships. */
export const allowedLicences: Readonly<Record<string, string>> = {
  '0BSD': 'nothing',
  'Apache-2.0': 'licence text and, where there is one, its NOTICE go along',
  'BSD-3-Clause': 'copyright and licence text go along; no name is used to advertise',
  ISC: 'copyright and licence text go along',
  MIT: 'copyright and licence text go along',
};

/** One package whose declared licence is not in the table above, and may ship all the same. */
export interface LicenceException {
  /** Exactly as declared; another one needs another review. */
  readonly declared: string;
  /** The terms that were chosen, and why they are acceptable. */
  readonly reason: string;
}

/** Reviewed exceptions by name of the package; there is none. */
export const licenceExceptions: Readonly<Record<string, LicenceException>> = {};

/** Each shipped package whose licence is unknown or not allowed, a sentence each. */
export function licenceProblems(
  packages: readonly LockedPackage[],
  exceptions: Readonly<Record<string, LicenceException>> = licenceExceptions,
): string[] {
  return packages.flatMap(({ name, version, licence }) => {
    if (licence === undefined) return [`${name} ${version} declares no licence; review it in build/licences.ts`];
    const allowed = Object.hasOwn(allowedLicences, licence) || exceptions[name]?.declared === licence;
    return allowed ? [] : [`${name} ${version} is under ${licence}, which build/licences.ts does not allow`];
  });
}
