/**
 * The messages of grpc.testing, as far as the interop tests use them
 * (https://github.com/grpc/grpc/blob/master/doc/interop-test-descriptions.md). The same, for the clients, is in
 * `test/third-party/modules/grpccpp/test.proto`.
 */
import { bool, bytes, message, number, repeated, string } from '../../src/rpc/protobuf/fields.ts';
import { Message } from '../../src/rpc/protobuf/message.ts';

/** A `bool` that may be absent. */
const boolValue = new Message({ value: bool(1) });

const payload = new Message({ type: number(1), body: bytes(2) });

const echoStatus = new Message({ code: number(1), message: string(2) });

const responseParameters = new Message({ size: number(1), intervalUs: number(2), compressed: message(3, boolValue) });

export const empty = new Message({});

export const simpleRequest = new Message({
  responseSize: number(2),
  payload: message(3, payload),
  responseCompressed: message(6, boolValue),
  responseStatus: message(7, echoStatus),
  expectCompressed: message(8, boolValue),
});

export const simpleResponse = new Message({ payload: message(1, payload) });

export const streamingInputCallRequest = new Message({
  payload: message(1, payload),
  expectCompressed: message(2, boolValue),
});

export const streamingInputCallResponse = new Message({ aggregatedPayloadSize: number(1) });

export const streamingOutputCallRequest = new Message({
  responseParameters: repeated(2, responseParameters),
  payload: message(3, payload),
  responseStatus: message(7, echoStatus),
});

export const streamingOutputCallResponse = new Message({ payload: message(1, payload) });
