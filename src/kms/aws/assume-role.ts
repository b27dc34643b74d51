/** One AssumeRole: keyproxy's own identity asks for a session under a customer's role. */
import { fromTemporaryCredentials } from '@aws-sdk/credential-providers';
import type { Clock } from '../../base/clock.ts';
import { type AwsConnections, forEachRequest } from './connection.ts';
import { kmsErrorFrom } from './failure.ts';
import { assumeRoleFaults } from './faults.ts';
import type { AwsIdentity } from './identity.ts';

/** What a session is asked for with. */
export interface SessionRequest {
  readonly roleArn: string;
  /** Absent: none is sent. */
  readonly externalId?: string;
  /** What a customer reads in CloudTrail. */
  readonly sessionName: string;
  /** Narrows the session. */
  readonly policy: string;
  /** STS is asked in this region. */
  readonly region: string;
}

/** Where and how STS is asked. */
export interface StsSetting {
  /** The identity that asks, taken for each request anew. */
  readonly own: () => AwsIdentity;
  readonly connections: AwsConnections;
  readonly clock: Pick<Clock, 'now'>;
  /** How long one call may take, in milliseconds. */
  readonly timeoutMs: number;
  /** Absent: `AWS_ENDPOINT_URL_STS`, else the region's own. */
  readonly endpoint?: string;
}

/**
 * The session's length in seconds: the shortest that AWS gives, since a changed trust policy only bites when the
 * session is renewed (AWS STS API Reference, AssumeRole, `DurationSeconds`).
 */
const sessionSeconds = 900;

/** Returns a function that asks for a session, each time a new one. It throws a `KmsError`. */
export function assuming(request: SessionRequest, setting: StsSetting): () => Promise<AwsIdentity> {
  const { roleArn, externalId, sessionName, policy, region } = request;
  const { own, connections, clock, timeoutMs, endpoint } = setting;
  const assume = fromTemporaryCredentials({
    masterCredentials: forEachRequest(own),
    params: {
      RoleArn: roleArn,
      RoleSessionName: sessionName,
      DurationSeconds: sessionSeconds,
      Policy: policy,
      ...(externalId !== undefined && { ExternalId: externalId }),
    },
    clientConfig: { ...connections.settings(timeoutMs), region, ...(endpoint !== undefined && { endpoint }) },
  });
  return () =>
    assume().catch((error) => {
      throw kmsErrorFrom(error, { operation: 'AssumeRole', table: assumeRoleFaults, now: clock.now() });
    });
}
