/** `google.iam.v1.IAMPolicy/TestIamPermissions`, the method that needs no permission itself (iam_policy.proto). */
import type { Message } from './definitions.ts';
import type { KmsRequest } from './kms.ts';
import { text, texts } from './message-fields.ts';
import { checkName, keyNameOf } from './resource-names.ts';
import { ServiceError } from './status.ts';

const permissionForm = /^cloudkms\.[a-zA-Z]+\.[a-zA-Z]+$/;

/** Those of the permissions that the caller has; none for a resource that does not exist. Wildcards are refused. */
export function testIamPermissions({ message, caller, cloud }: KmsRequest): Message {
  const resource = text(message, 'resource');
  checkName(resource, 'resource', ['key']);
  const asked = texts(message, 'permissions');
  const wrong = asked.find((permission) => !permissionForm.test(permission));
  if (wrong !== undefined)
    throw new ServiceError('INVALID_ARGUMENT', `Permission ${wrong} is not valid for this resource.`);
  if (!cloud.keys.has(keyNameOf(resource) ?? '')) return { permissions: [] };
  return { permissions: asked.filter((permission) => cloud.policies.allows(caller.principal, resource, permission)) };
}
