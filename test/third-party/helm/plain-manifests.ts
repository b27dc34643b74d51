/**
 * `deploy/kubernetes`: the chart with its default values, for clusters without Helm.
 *
 *     node test/third-party/helm/plain-manifests.ts FOLDER-WITH-HELM     writes them
 */
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { renderGood } from './chart.ts';

/** The file, from the root of the repository. */
export const plainManifests = 'deploy/kubernetes/keyproxy.yaml';

const head = `# keyproxy's injector for clusters without Helm: the chart helm/keyproxy with its default values. Written by
# test/third-party/helm/plain-manifests.ts; a test holds it against the chart. The image needs its registry, in two
# places: the Deployment, and injector.yaml for the sidecars.
#
#     sed 's|keyproxy:0.1.0|REGISTRY/keyproxy:0.1.0|' deploy/kubernetes/keyproxy.yaml |
#       kubectl apply --server-side --filename -
#
# After a later change of injector.yaml: kubectl --namespace keyproxy rollout restart deployment keyproxy-injector
---
apiVersion: v1
kind: Namespace
metadata:
  name: keyproxy
  labels:
    # The strictest of the Pod Security levels: all pods here meet it.
    pod-security.kubernetes.io/enforce: restricted
`;

/** What the file has to contain, by the helm in the folder `installed`. */
export async function plainText(installed: string): Promise<string> {
  const { text } = await renderGood(installed, { minor: 30, flags: ['--skip-tests'] });
  // Comments and labels that speak of Helm, which is not there.
  return head + text.replaceAll(/^# Source: .*\n|^ *(app\.kubernetes\.io\/managed-by|helm\.sh\/chart): .*\n/gm, '');
}

if (import.meta.main) {
  const root = resolve(import.meta.dirname, '../../..');
  await writeFile(resolve(root, plainManifests), await plainText(process.argv[2] ?? ''));
}
