/** Names of key versions: `projects/P/locations/L/keyRings/R/cryptoKeys/K/cryptoKeyVersions/N`. */

const versionPattern = /^[1-9]\d{0,9}$/;

/** The full name of a version of the key `keyName`. */
export function versionName(keyName: string, version: string): string {
  return `${keyName}/cryptoKeyVersions/${version}`;
}

/** The number of the version that `name` names, where it is a version of `keyName` and nothing else. */
export function versionOf(keyName: string, name: unknown): string | undefined {
  const start = versionName(keyName, '');
  if (typeof name !== 'string' || !name.startsWith(start)) return undefined;
  const version = name.slice(start.length);
  return versionPattern.test(version) ? version : undefined;
}
