/**
 * The bench's echo service on `@grpc/grpc-js`, with `@grpc/proto-loader` as most people use it.
 *
 *     node grpc-js.js SOCKET PROTO-FILE
 */
import { Server, ServerCredentials, type sendUnaryData } from '@grpc/grpc-js';
import { loadSync, type ServiceDefinition } from '@grpc/proto-loader';
import { Answered } from './answered.ts';

interface EchoMessage {
  readonly payload: Buffer;
}

const [socket = '', protoFile = ''] = process.argv.slice(2);
// proto-loader's answer holds services and messages alike; this name is a service's.
const service = loadSync(protoFile)['bench.Echo'] as ServiceDefinition;
const answered = new Answered();

const server = new Server();
server.addService(service, {
  Echo({ request }: { readonly request: EchoMessage }, callback: sendUnaryData<EchoMessage>) {
    answered.add();
    callback(null, { payload: request.payload });
  },
});
server.bindAsync(`unix:${socket}`, ServerCredentials.createInsecure(), (error) => {
  if (error) throw error;
});
