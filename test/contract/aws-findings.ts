/** What `keyproxy validate` would be told about a key. */
import type { Finding } from '../../src/kms/finding.ts';
import type { KeyService } from '../../src/kms/key-service.ts';
import { context, never } from './calls.ts';

/** Everything that an inspection finds. */
export function inspect(service: KeyService): Promise<Finding[]> {
  if (service.inspect === undefined) throw new Error('the key cannot be inspected');
  return service.inspect({ context, signal: never });
}

/** Findings that are not as they should be. */
export async function complaints(service: KeyService): Promise<Finding[]> {
  return (await inspect(service)).filter(({ verdict }) => verdict !== 'ok');
}

/** The finding whose step has `part`. */
export function about(findings: readonly Finding[], part: string): Finding | undefined {
  return findings.find(({ step }) => step.includes(part));
}
