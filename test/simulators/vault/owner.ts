/** What the owner of the server sets up: mounts, keys, policies, roles. All of it takes effect with the next request. */
import { checkRules, type PolicyRules } from './acl.ts';
import type { VaultCluster } from './cluster.ts';
import { Cluster } from './kubernetes-roles.ts';
import { addMount, type Namespace } from './mounts.ts';
import { createKey, type KeyOptions, type SimulatedKey, transitMount } from './simulated-key.ts';
import {
  type AppRoleOptions,
  createAppRole,
  createKubernetesRole,
  type KubernetesOptions,
  type SimulatedAppRole,
  type SimulatedKubernetesRole,
} from './simulated-roles.ts';

export interface OwnersView {
  createNamespace(path: string): void;
  mountTransit(path: string, namespace?: string): void;
  createKey(options?: KeyOptions): SimulatedKey;
  /** Makes a policy, or takes the place of the one with its name. */
  createPolicy(name: string, rules: PolicyRules, namespace?: string): void;
  approle(options: AppRoleOptions): SimulatedAppRole;
  kubernetes(options: KubernetesOptions): SimulatedKubernetesRole;
}

/** Everything that an owner can do to the cluster. */
export function ownersView(cluster: VaultCluster): OwnersView {
  const kubernetes = new Cluster();
  const at = (path?: string): Namespace => cluster.namespaces.require(path);
  return {
    createNamespace: (path) => {
      cluster.namespaces.create(path);
    },
    mountTransit: (path, namespace) => {
      addMount(at(namespace), transitMount(path));
    },
    createKey: (options = {}) => createKey(options, cluster),
    createPolicy: (name, rules, namespace) => {
      checkRules(rules);
      const { policies, path } = at(namespace);
      policies.set(name, { name, namespacePath: path, rules });
    },
    approle: (options) => createAppRole(options, cluster),
    kubernetes: (options) => createKubernetesRole(options, { cluster, kubernetes }),
  };
}
