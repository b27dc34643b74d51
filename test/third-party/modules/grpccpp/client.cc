// Makes the calls that interop/outcome.ts tells, on gRPC's C++ library, at the target of its argument.
#include <grpcpp/grpcpp.h>

#include <chrono>
#include <cstdio>
#include <memory>
#include <stdexcept>
#include <string>

#include "test.grpc.pb.h"

using grpc::testing::SimpleRequest;
using grpc::testing::SimpleResponse;
using grpc::testing::StreamingOutputCallRequest;
using grpc::testing::StreamingOutputCallResponse;
using grpc::testing::TestService;

namespace {

void set_deadline(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
}

void check(const grpc::Status& status) {
  if (!status.ok()) throw std::runtime_error(status.error_message());
}

std::string first(const std::multimap<grpc::string_ref, grpc::string_ref>& fields, const std::string& name) {
  const auto found = fields.find(name);
  return found == fields.end() ? "" : std::string(found->second.data(), found->second.size());
}

std::string hex(const std::string& bytes) {
  std::string digits;
  char pair[3];
  for (const unsigned char byte : bytes) {
    std::snprintf(pair, sizeof pair, "%02x", byte);
    digits += pair;
  }
  return digits;
}

void unary(TestService::Stub& service) {
  grpc::ClientContext context;
  set_deadline(context);
  context.AddMetadata("x-grpc-test-echo-initial", "said at the beginning");
  context.AddMetadata("x-grpc-test-echo-trailing-bin", std::string("\x00\x01\xfe\xff", 4));
  SimpleRequest request;
  request.set_response_size(314159);
  request.mutable_payload()->set_body(std::string(271828, '\0'));
  SimpleResponse answer;
  check(service.UnaryCall(&context, request, &answer));
  const auto& trailers = context.GetServerTrailingMetadata();
  std::printf(R"({"authority":"%s","unary":%zu,"initial":"%s","trailing":"%s",)",
              first(trailers, "x-test-authority").c_str(), answer.payload().body().size(),
              first(context.GetServerInitialMetadata(), "x-grpc-test-echo-initial").c_str(),
              hex(first(trailers, "x-grpc-test-echo-trailing-bin")).c_str());
}

void ping_pong(TestService::Stub& service) {
  grpc::ClientContext context;
  set_deadline(context);
  const auto stream = service.FullDuplexCall(&context);
  std::string sizes;
  for (const int size : {31415, 9, 2653, 58979}) {
    StreamingOutputCallRequest request;
    request.add_response_parameters()->set_size(size);
    request.mutable_payload()->set_body(std::string(size, '\0'));
    StreamingOutputCallResponse answer;
    if (!stream->Write(request) || !stream->Read(&answer)) break;
    if (!sizes.empty()) sizes += ",";
    sizes += std::to_string(answer.payload().body().size());
  }
  stream->WritesDone();
  check(stream->Finish());
  std::printf(R"("streamed":[%s],)", sizes.c_str());
}

void refusal(TestService::Stub& service) {
  grpc::ClientContext context;
  set_deadline(context);
  SimpleRequest request;
  request.mutable_response_status()->set_code(5);
  request.mutable_response_status()->set_message("nobody of that name: Zoë ☺");
  SimpleResponse answer;
  const auto status = service.UnaryCall(&context, request, &answer);
  std::printf("\"code\":%d,\"message\":\"%s\"}\n", status.error_code(), status.error_message().c_str());
}

}  // namespace

int main(int, char** arguments) {
  try {
    const auto service = TestService::NewStub(grpc::CreateChannel(arguments[1], grpc::InsecureChannelCredentials()));
    unary(*service);
    ping_pong(*service);
    refusal(*service);
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}
