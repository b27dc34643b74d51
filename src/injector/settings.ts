/** What the operator of the injector decides for every pod; a pod's annotations change some of it. */
import type { LogLevel } from '../base/log-level.ts';

/** Amounts of a resource by its name, `cpu` or `memory`. */
export type Amounts = Readonly<Partial<Record<ResourceName, string>>>;

export type ResourceName = 'cpu' | 'memory';

export interface Resources {
  readonly requests: Amounts;
  readonly limits: Amounts;
}

/**
 * How the container is put into a pod. `native`: an init container that keeps running (restartPolicy: Always, from
 * Kubernetes 1.29), so that it is there before all others and ends after them. `classic`: one container among the others.
 */
export type Form = 'native' | 'classic';

export interface SidecarSettings {
  readonly image: string;
  readonly imagePullPolicy: 'Always' | 'IfNotPresent' | 'Never';
  readonly form: Form;
  readonly logLevel: LogLevel;
  readonly resources: Resources;
  /** Where metrics and health are served in the pod. */
  readonly httpPort: number;
  /** User and group that it runs as; not 0. */
  readonly runAsUser: number;
}
