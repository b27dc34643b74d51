/**
 * Objects of a cluster as an API server keeps them: each write gives a new resourceVersion, one that is based on another
 * version than the present is a conflict, and a write that changes nothing is none
 * (https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions).
 */

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly resourceVersion?: string;
    readonly uid?: string;
    readonly [more: string]: unknown;
  };
  readonly [more: string]: unknown;
}

/** A failure as the API server tells it (metav1.Status). */
export class ApiFailure extends Error {
  readonly code: number;
  readonly reason: string;

  constructor(code: number, reason: string, message: string) {
    super(message);
    this.code = code;
    this.reason = reason;
  }

  get status(): object {
    return {
      kind: 'Status',
      apiVersion: 'v1',
      metadata: {},
      status: 'Failure',
      message: this.message,
      reason: this.reason,
      code: this.code,
    };
  }
}

/** Checks an object that is about to be kept; throws an `ApiFailure`. */
export type Validation = (object: KubernetesObject, before: KubernetesObject | undefined) => void;

export class Objects {
  readonly #objects = new Map<string, KubernetesObject>();
  readonly #validate: Validation;
  #version = 1000;

  constructor(validate: Validation) {
    this.#validate = validate;
  }

  get(key: string): KubernetesObject {
    const found = this.#objects.get(key);
    if (found === undefined) throw new ApiFailure(404, 'NotFound', `${key} not found`);
    return structuredClone(found);
  }

  has(key: string): boolean {
    return this.#objects.has(key);
  }

  create(key: string, object: KubernetesObject): KubernetesObject {
    if (this.#objects.has(key)) throw new ApiFailure(409, 'AlreadyExists', `${key} already exists`);
    if (object.metadata.resourceVersion !== undefined) {
      throw new ApiFailure(400, 'BadRequest', 'resourceVersion should not be set on objects to be created');
    }
    return this.#keep(key, { ...object, metadata: { ...object.metadata, uid: crypto.randomUUID() } }, undefined);
  }

  update(key: string, object: KubernetesObject): KubernetesObject {
    const before = this.get(key);
    const { resourceVersion, uid } = object.metadata;
    if (uid !== undefined && uid !== before.metadata.uid) {
      throw new ApiFailure(409, 'Conflict', `${key}: the uid in the precondition is not that of the object`);
    }
    if (resourceVersion !== undefined && resourceVersion !== before.metadata.resourceVersion) {
      throw new ApiFailure(
        409,
        'Conflict',
        `${key}: the object has been modified; please apply your changes to the latest version`,
      );
    }
    const next = {
      ...object,
      metadata: { ...object.metadata, uid: before.metadata.uid, resourceVersion: before.metadata.resourceVersion },
    };
    if (JSON.stringify(next) === JSON.stringify(before)) return before;
    return this.#keep(key, next as KubernetesObject, before);
  }

  delete(key: string): void {
    if (!this.#objects.delete(key)) throw new ApiFailure(404, 'NotFound', `${key} not found`);
  }

  #keep(key: string, object: KubernetesObject, before: KubernetesObject | undefined): KubernetesObject {
    this.#validate(object, before);
    this.#version += 1;
    const kept = { ...object, metadata: { ...object.metadata, resourceVersion: String(this.#version) } };
    this.#objects.set(key, structuredClone(kept));
    return kept;
  }
}
