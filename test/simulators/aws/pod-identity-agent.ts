/**
 * The agent of EKS Pod Identity on a node: gives the credentials of a pod's role for its service-account token
 * (EKS user guide, "Understand how EKS Pod Identity works"; SDKs and tools guide, "Container credential provider").
 */
import { type LoopbackServer, listenOnLoopback } from './loopback.ts';
import type { OidcIssuer } from './oidc.ts';
import type { SimulatedRole } from './principals.ts';

export interface PodIdentityAgent extends LoopbackServer {
  /** The value of `AWS_CONTAINER_CREDENTIALS_FULL_URI`. */
  readonly credentialsUrl: string;
  /** The tokens that credentials were given for, in their order. */
  readonly tokens: readonly string[];
  /** How many requests were turned away. */
  refused(): number;
}

/** The audience that the cluster puts into the tokens for the agent. */
export const podIdentityAudience = 'pods.eks.amazonaws.com';

const path = '/v1/credentials';

/** Starts the agent; it takes unexpired tokens of `issuer` for itself, and gives credentials that live `seconds`. */
export async function startPodIdentityAgent(
  role: SimulatedRole,
  { issuer, seconds }: { issuer: OidcIssuer; seconds: number },
): Promise<PodIdentityAgent> {
  const tokens: string[] = [];
  let refused = 0;
  const server = await listenOnLoopback((request, response) => {
    const end = (status: number, body: object) => response.writeHead(status).end(JSON.stringify(body));
    if (request.method !== 'GET' || request.url !== path) return end(404, {});
    const token = request.headers.authorization ?? '';
    const claims = token === '' ? undefined : issuer.verify(token);
    if (claims === undefined || !claims.aud.includes(podIdentityAudience) || claims.exp * 1000 <= Date.now()) {
      refused++;
      return end(400, { Code: 'InvalidTokenException', Message: 'The token is not one for this agent.' });
    }
    tokens.push(token);
    const { accessKeyId, secretAccessKey, sessionToken, expiration } = role.session({ name: 'eks-pod', seconds });
    return end(200, {
      AccessKeyId: accessKeyId,
      SecretAccessKey: secretAccessKey,
      Token: sessionToken,
      AccountId: role.accountId,
      Expiration: expiration.toISOString(),
    });
  });
  return { ...server, credentialsUrl: server.url + path, tokens, refused: () => refused };
}
