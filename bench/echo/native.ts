/**
 * The bench's echo service on keyproxy's own transport, with its own messages.
 *
 *     node native.js SOCKET
 */
import { systemClock } from '../../src/base/clock.ts';
import type { Handler } from '../../src/rpc/native/handler.ts';
import { serveGrpc } from '../../src/rpc/native/server.ts';
import { bytes } from '../../src/rpc/protobuf/fields.ts';
import { Message } from '../../src/rpc/protobuf/message.ts';
import { Answered } from './answered.ts';

const [socket = ''] = process.argv.slice(2);
/** `bench.EchoMessage` of echo.proto. */
const echoMessage = new Message({ payload: bytes(1) });
const answered = new Answered();

const echo: Handler = {
  kind: 'unary',
  async handle(request) {
    const { payload } = echoMessage.decode(request);
    answered.add();
    return echoMessage.reply({ payload });
  },
};

await serveGrpc({
  target: `unix:${socket}`,
  handlers: new Map([['/bench.Echo/Echo', echo]]),
  // What grpc-js and grpc-go take where nobody says otherwise.
  maxMessageBytes: 4 * 1024 * 1024,
  clock: systemClock,
});
