/** What the chart renders with its defaults (`deploy/kubernetes`), put into a cluster whose injector runs on this machine. */
import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';
import type { KubernetesClient, KubernetesObject } from './kubernetes-client.ts';

const file = resolve(import.meta.dirname, '../../deploy/kubernetes/keyproxy.yaml');

/** Where a kind of object is created; `NAMESPACE` stands for the object's own. */
const places: Readonly<Record<string, string>> = {
  Namespace: '/api/v1/namespaces',
  Pod: '/api/v1/namespaces/NAMESPACE/pods',
  NetworkPolicy: '/apis/networking.k8s.io/v1/namespaces/NAMESPACE/networkpolicies',
  PodDisruptionBudget: '/apis/policy/v1/namespaces/NAMESPACE/poddisruptionbudgets',
  ServiceAccount: '/api/v1/namespaces/NAMESPACE/serviceaccounts',
  ConfigMap: '/api/v1/namespaces/NAMESPACE/configmaps',
  Secret: '/api/v1/namespaces/NAMESPACE/secrets',
  ClusterRole: '/apis/rbac.authorization.k8s.io/v1/clusterroles',
  ClusterRoleBinding: '/apis/rbac.authorization.k8s.io/v1/clusterrolebindings',
  Role: '/apis/rbac.authorization.k8s.io/v1/namespaces/NAMESPACE/roles',
  RoleBinding: '/apis/rbac.authorization.k8s.io/v1/namespaces/NAMESPACE/rolebindings',
  Service: '/api/v1/namespaces/NAMESPACE/services',
  Deployment: '/apis/apps/v1/namespaces/NAMESPACE/deployments',
  DaemonSet: '/apis/apps/v1/namespaces/NAMESPACE/daemonsets',
  MutatingWebhookConfiguration: '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations',
  ValidatingWebhookConfiguration: '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations',
};

/** Where webhooks are registered that change objects, and where those that look at them. */
export const registrations = '/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations';
export const checks = '/apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations';

/** The kinds of objects by which the injector is registered. */
export const registrationKinds = ['MutatingWebhookConfiguration', 'ValidatingWebhookConfiguration'] as const;

/** The namespace of the release, and the name of almost everything in it. */
export const release = { namespace: 'keyproxy', name: 'keyproxy-injector' } as const;

/** The name that the API server expects in the webhook's certificate. */
export const host = `${release.name}.${release.namespace}.svc`;

export class Chart {
  readonly #objects: readonly KubernetesObject[];

  private constructor(objects: readonly KubernetesObject[]) {
    this.#objects = objects;
  }

  static async read(): Promise<Chart> {
    const documents = parseAllDocuments(await readFile(file, 'utf8'));
    return new Chart(documents.map((document) => document.toJS() as KubernetesObject));
  }

  /** The object of a kind of which there is one. */
  the(kind: string): KubernetesObject {
    const [object, ...others] = this.#objects.filter((candidate) => candidate.kind === kind);
    if (object === undefined || others.length > 0) throw new Error(`the chart has not exactly one ${kind}`);
    return object;
  }

  /** The injector's file, to be changed where a machine differs from a pod. */
  injectorFile(): Record<string, unknown> {
    return parse(this.the('ConfigMap')['data']['injector.yaml']);
  }

  /**
   * Creates everything, with unknown fields refused, but the webhooks' registrations, and the Service in a form that leads
   * to this machine: a cluster's leads to pods, through rules that kube-proxy writes; the API server follows an external
   * name by itself, and still checks the certificate against the Service's name.
   */
  async install(admin: KubernetesClient): Promise<void> {
    for (const object of this.#objects) {
      if (registrationKinds.some((kind) => kind === object.kind)) continue;
      await create(admin, object.kind === 'Service' ? leadingHere(object) : object);
    }
  }
}

function leadingHere(service: KubernetesObject): KubernetesObject {
  return { ...service, spec: { ...service['spec'], type: 'ExternalName', externalName: 'localhost' } };
}

/** Creates an object of the chart; a dry run where `query` says so. */
export async function create(admin: KubernetesClient, object: KubernetesObject, query = ''): Promise<KubernetesObject> {
  const place = places[object.kind ?? ''];
  if (place === undefined) throw new Error(`nobody has said where a ${object.kind} is created`);
  const path = place.replace('NAMESPACE', object.metadata?.namespace ?? '');
  return admin.must('POST', `${path}?fieldValidation=Strict${query}`, object);
}
