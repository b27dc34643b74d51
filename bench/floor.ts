/**
 * The floor: what `@grpc/grpc-js` itself costs. It loads the same `.proto` the usual way, decodes the same requests,
 * and answers with the same messages, encoded anew for every call, without any work in between.
 *
 *     node floor.js SOCKET PROTO-FOLDER ANSWERS
 *
 * ANSWERS is JSON: the base64 of the message that each method answers with. A parent that has an IPC channel may ask
 * for the counts of OK answers.
 */
import { readFileSync } from 'node:fs';
import { Server, ServerCredentials, type sendUnaryData, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { loadSync, type MethodDefinition, type ServiceDefinition } from '@grpc/proto-loader';

const [socket = '', protoFolder = '', answersFile = ''] = process.argv.slice(2);
const options = { includeDirs: [protoFolder], keepCase: true, longs: Number, defaults: true, oneofs: true };
// proto-loader's answer holds services and messages alike; this name is a service's.
const service = loadSync('keyproxy/v1/keyproxy.proto', options)['keyproxy.v1.KeyProxy'] as ServiceDefinition;
// Written by bench/servers.ts: method to base64.
const answers = JSON.parse(readFileSync(answersFile, 'utf8')) as Readonly<Record<string, string>>;
const counts: Record<string, number> = {};

/** protobufjs writes whatever is set; an answer as a handler would spell it leaves out what is empty. */
function withoutDefaults(message: object): object {
  const set = Object.entries(message).filter(([, value]) => value && (value as { length?: number }).length !== 0);
  return Object.fromEntries(
    set.map(([name, value]) => [name, value.constructor === Object ? withoutDefaults(value) : value]),
  );
}

function answering(name: string, method: MethodDefinition<object, object>) {
  const answer = withoutDefaults(method.responseDeserialize(Buffer.from(answers[name] ?? '', 'base64')));
  counts[name] = 0;
  return (_call: unknown, callback: sendUnaryData<object>) => {
    counts[name] = (counts[name] ?? 0) + 1;
    callback(null, answer);
  };
}

const implementation: UntypedServiceImplementation = {};
for (const [name, method] of Object.entries(service)) implementation[name] = answering(name, method);

const server = new Server();
server.addService(service, implementation);
server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
});
if (process.send !== undefined) process.on('message', () => process.send?.(counts));
