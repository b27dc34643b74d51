/**
 * The bill of materials of what ships, as CycloneDX 1.6 (https://cyclonedx.org/docs/1.6/json/). It is made from the
 * bundle, not from `node_modules`: what is not in it is not shipped. The same build writes the same bytes.
 */
import { createHash } from 'node:crypto';
import type { Shipment, ShippedPackage } from './shipped.ts';

/** The program that the bill is of. */
export interface Product {
  readonly name: string;
  readonly version: string;
  /** SPDX id. */
  readonly licence: string;
}

/** What else goes into a bill. */
export interface BillOptions {
  readonly product: Product;
  /** SOURCE_DATE_EPOCH (https://reproducible-builds.org/specs/source-date-epoch/); without it no time is written. */
  readonly timestamp?: Date | undefined;
}

/** Text of `sbom.cdx.json`. Throws where a package has no SHA-512 hash. */
export function billOfMaterials(shipment: Shipment, { product, timestamp }: BillOptions): string {
  const self = `pkg:generic/${product.name}@${product.version}`;
  const purls = new Map(shipment.packages.map((shipped) => [shipped.path, purlOf(shipped)]));
  const refsOf = (paths: readonly string[]) => inOrder(new Set(paths.flatMap((path) => purls.get(path) ?? [])));
  const content = {
    metadata: {
      lifecycles: [{ phase: 'build' }],
      component: {
        type: 'application',
        'bom-ref': self,
        name: product.name,
        version: product.version,
        licenses: licencesOf(product.licence),
        // Not of the registry: a package with this name there is somebody else's.
        purl: self,
      },
    },
    components: inOrder(purls.values()).flatMap((purl) => {
      const shipped = shipment.packages.find(({ path }) => purls.get(path) === purl);
      return shipped === undefined ? [] : [componentOf(shipped)];
    }),
    dependencies: [
      { ref: self, dependsOn: refsOf(shipment.direct) },
      ...inOrder(purls.values()).map((ref) => {
        const needs = shipment.packages
          .filter(({ path }) => purls.get(path) === ref)
          .flatMap((shipped) => shipped.needs);
        return { ref, dependsOn: refsOf(needs) };
      }),
    ],
  };
  const bill = {
    $schema: 'http://cyclonedx.org/schema/bom-1.6.schema.json',
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${uuidOf(JSON.stringify(content))}`,
    version: 1,
    ...content,
    metadata: { ...(timestamp !== undefined && { timestamp: timestamp.toISOString() }), ...content.metadata },
  };
  return `${JSON.stringify(bill, null, 2)}\n`;
}

function componentOf(shipped: ShippedPackage): object {
  const [group, name] = shipped.name.startsWith('@') ? shipped.name.split('/') : [undefined, shipped.name];
  return {
    type: 'library',
    'bom-ref': purlOf(shipped),
    ...(group !== undefined && { group }),
    name,
    version: shipped.version,
    // Of the archive at the registry, as the lockfile has it, not of the part of it that is in the bundle.
    hashes: [{ alg: 'SHA-512', content: hexOf(shipped) }],
    licenses: licencesOf(shipped.licence ?? 'NOASSERTION'),
    purl: purlOf(shipped),
  };
}

/** https://github.com/package-url/purl-spec: the `@` of a scope is encoded. */
function purlOf({ name, version }: ShippedPackage): string {
  return `pkg:npm/${name.replace('@', '%40')}@${version}`;
}

function licencesOf(declared: string): object[] {
  const acknowledgement = 'declared';
  if (/^[\w.+-]+$/.test(declared)) return [{ license: { id: declared, acknowledgement } }];
  return [{ expression: declared, acknowledgement }];
}

function hexOf({ path, integrity = '' }: ShippedPackage): string {
  const hash = Buffer.from(integrity.replace(/^sha512-/, ''), 'base64');
  if (hash.length !== 64) throw new Error(`${path} has no SHA-512 hash in the lockfile; install it from the registry`);
  return hash.toString('hex');
}

/** A UUID of version 8 (RFC 9562 section 5.8) that is a hash of the content. */
function uuidOf(content: string): string {
  const bytes = createHash('sha256').update(content).digest().subarray(0, 16);
  bytes.writeUInt8((bytes.readUInt8(6) & 0x0f) | 0x80, 6);
  bytes.writeUInt8((bytes.readUInt8(8) & 0x3f) | 0x80, 8);
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-');
}

/** By code unit, which no locale changes; each once. */
function inOrder(texts: Iterable<string>): string[] {
  return [...new Set(texts)].sort();
}
