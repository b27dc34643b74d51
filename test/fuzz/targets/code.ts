/** Which code each target is there for: what is loaded from these files counts its branches. */

const transport = /\/src\/(h2|rpc\/native)\//;
const format = /\/src\/(envelope|base)\//;
const files = /\/src\/config\//;

/** Paths of the code by the name of its target. */
export const codeOfTarget: Readonly<Record<string, RegExp>> = {
  reader: transport,
  decoder: transport,
  connection: transport,
  messages: transport,
  calls: transport,
  message: format,
  'wrapped-dek': format,
  pairs: format,
  protobuf: /\/src\/rpc\/(protobuf\/|keyproxy-messages|status|descriptors)/,
  'tenant-file': files,
  'daemon-file': files,
  'policy-file': /\/src\/(config|identity)\//,
  'state-files': /\/src\/(app\/(kept-json|refusal-file)|tenants\/(refusal|samples)|base\/en)/,
};
