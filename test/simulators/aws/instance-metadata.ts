/**
 * The metadata service of an instance, in its second version alone: a token first, then what it is asked with it
 * (EC2 user guide, "Use the Instance Metadata Service", "Retrieve security credentials from instance metadata").
 */
import { randomBytes } from 'node:crypto';
import { type LoopbackServer, listenOnLoopback } from './loopback.ts';
import type { SimulatedRole } from './principals.ts';

export interface InstanceMetadata extends LoopbackServer {
  /** How many times credentials were given. */
  given(): number;
}

const folder = '/latest/meta-data/iam/security-credentials/';

/** Starts the service of an instance whose role is `role`; credentials live `seconds`. */
export async function startInstanceMetadata(role: SimulatedRole, seconds: number): Promise<InstanceMetadata> {
  const tokens = new Set<string>();
  let given = 0;
  const server = await listenOnLoopback((request, response) => {
    const end = (status: number, body = '') => response.writeHead(status).end(body);
    const wantsToken = request.method === 'PUT' && request.url === '/latest/api/token';
    if (wantsToken) {
      const ttl = Number(request.headers['x-aws-ec2-metadata-token-ttl-seconds']);
      if (!(ttl >= 1 && ttl <= 21_600)) return end(400);
      const token = randomBytes(30).toString('base64url');
      tokens.add(token);
      return end(200, token);
    }
    const token = request.headers['x-aws-ec2-metadata-token'];
    if (typeof token !== 'string' || !tokens.has(token)) return end(401);
    if (request.method !== 'GET') return end(405);
    if (request.url === folder) return end(200, role.name);
    if (request.url !== folder + role.name) return end(404);
    given++;
    return end(200, JSON.stringify(credentialsOf(role, seconds)));
  });
  return { ...server, given: () => given };
}

function credentialsOf(role: SimulatedRole, seconds: number): object {
  const { accessKeyId, secretAccessKey, sessionToken, expiration } = role.session({ name: 'i-0123456789', seconds });
  return {
    Code: 'Success',
    LastUpdated: new Date().toISOString(),
    Type: 'AWS-HMAC',
    AccessKeyId: accessKeyId,
    SecretAccessKey: secretAccessKey,
    Token: sessionToken,
    Expiration: expiration.toISOString(),
  };
}
