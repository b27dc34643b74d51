/**
 * Whether a customer's role demands the external id. One that does not can be assumed through keyproxy by everybody
 * who knows its name: the confused deputy (IAM User Guide, "The confused deputy problem").
 */
import { randomBytes } from 'node:crypto';
import type { Finding } from '../finding.ts';

/** A role in front of a key. */
export interface RoleInQuestion {
  readonly arn: string;
  /** Whether STS would give a session with this external id, or with none. Throws where STS says neither. */
  wouldAssume(given: { externalId?: string; signal: AbortSignal }): Promise<boolean>;
}

/** Asks for the role with another external id and with none: both have to be refused. */
export async function checkExternalId(role: RoleInQuestion, signal: AbortSignal): Promise<Finding[]> {
  return [
    await check('without an external id', () => role.wouldAssume({ signal })),
    await check('with a wrong external id', () =>
      role.wouldAssume({ externalId: `wrong-${randomBytes(16).toString('hex')}`, signal }),
    ),
  ];
}

async function check(how: string, wouldAssume: () => Promise<boolean>): Promise<Finding> {
  const step = `is behind a role that nobody gets ${how}`;
  try {
    if (!(await wouldAssume())) return { step, verdict: 'ok' };
    const advice =
      'whoever knows the name of the role can use the key through keyproxy (confused deputy): add the condition ' +
      `"StringEquals": { "sts:ExternalId": the external id } to the role's trust policy`;
    return { step, verdict: 'failed', advice };
  } catch {
    return { step, verdict: 'warning', advice: 'AWS gave no clear answer; try again' };
  }
}
