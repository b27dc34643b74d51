/** Namespaces and pods of a cluster, as tests make them and look at them. */
import { setTimeout as pause } from 'node:timers/promises';
import type { PodShape } from '../support/pod-shapes.ts';
import type { Answer, KubernetesClient, KubernetesObject } from './kubernetes-client.ts';

/** What became of a pod. `bare`: it asked for keyproxy, is in the cluster, and has it not. */
export type Outcome = 'injected' | 'refused' | 'bare';

/** Statuses that say nothing of the pod: who asks, a name that is taken, too many calls at once. */
const mishaps: readonly number[] = [401, 404, 409, 429];

/** Makes a namespace with the service account that pods have where they name none; there is no controller to do it. */
export async function makeNamespace(
  admin: KubernetesClient,
  name: string,
  labels: Readonly<Record<string, string>> = {},
): Promise<void> {
  await admin.must('POST', '/api/v1/namespaces', { metadata: { name, labels } });
  await admin.must('POST', `/api/v1/namespaces/${name}/serviceaccounts`, { metadata: { name: 'default' } });
}

/** Creates a pod and gives back what was answered, be it a refusal. */
export function createPod(client: KubernetesClient, namespace: string, pod: object): Promise<Answer> {
  return client.ask('POST', `/api/v1/namespaces/${namespace}/pods`, pod);
}

/** A shape of pod under a name that nobody else has, unless the API server is to make one. */
export function podOf({ pod }: PodShape, name: string): object {
  const metadata = pod['metadata'] as { readonly generateName?: string };
  return { ...pod, metadata: { ...metadata, ...(metadata.generateName === undefined && { name }) } };
}

/** What the answer to the creation of a pod says of it; throws where it says nothing. */
export function outcomeOf({ status, message, body }: Answer): Outcome {
  if (mishaps.includes(status)) throw new Error(`no pod, and no word of it: ${status} ${message}`);
  if (status !== 201) return 'refused';
  return sidecarOf(body) === undefined ? 'bare' : 'injected';
}

/** The injector's container among the init containers of a pod, whose own may have the same name and does something else. */
export function sidecarOf(pod: KubernetesObject): KubernetesObject | undefined {
  const initContainers: readonly KubernetesObject[] = pod['spec'].initContainers ?? [];
  return initContainers.find((container) => container['name'] === 'keyproxy' && container['args']?.[0] === 'serve');
}

/** Waits until `question` is answered with yes; what the API server is told it heeds a moment later. */
export async function until(what: string, question: () => Promise<boolean>, patienceMs = 30_000): Promise<void> {
  for (const end = performance.now() + patienceMs; performance.now() < end; await pause(50)) {
    if (await question()) return;
  }
  throw new Error(`in ${patienceMs / 1000} s it did not come to this: ${what}`);
}
