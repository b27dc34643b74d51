import com.google.protobuf.ByteString;
import io.grpc.Grpc;
import io.grpc.InsecureChannelCredentials;
import io.grpc.ManagedChannel;
import io.grpc.Metadata;
import io.grpc.Status;
import io.grpc.StatusRuntimeException;
import io.grpc.stub.MetadataUtils;
import io.grpc.stub.StreamObserver;
import io.grpc.testing.integration.Messages.EchoStatus;
import io.grpc.testing.integration.Messages.Payload;
import io.grpc.testing.integration.Messages.ResponseParameters;
import io.grpc.testing.integration.Messages.SimpleRequest;
import io.grpc.testing.integration.Messages.StreamingOutputCallRequest;
import io.grpc.testing.integration.Messages.StreamingOutputCallResponse;
import io.grpc.testing.integration.TestServiceGrpc;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicReference;

/** Makes the calls that interop/outcome.ts tells, on grpc-java, at the target of its argument. */
public final class Client {
  private static final Metadata.Key<String> INITIAL =
      Metadata.Key.of("x-grpc-test-echo-initial", Metadata.ASCII_STRING_MARSHALLER);
  private static final Metadata.Key<byte[]> TRAILING =
      Metadata.Key.of("x-grpc-test-echo-trailing-bin", Metadata.BINARY_BYTE_MARSHALLER);
  private static final Metadata.Key<String> AUTHORITY =
      Metadata.Key.of("x-test-authority", Metadata.ASCII_STRING_MARSHALLER);

  public static void main(String[] args) throws Exception {
    ManagedChannel channel = Grpc.newChannelBuilder(args[0], InsecureChannelCredentials.create()).build();
    String unary = unary(channel);
    List<Integer> streamed = pingPong(channel);
    Status status = refusal(channel);
    System.out.printf(
        "{%s,\"streamed\":%s,\"code\":%d,\"message\":\"%s\"}%n",
        unary, streamed, status.getCode().value(), status.getDescription());
    channel.shutdownNow();
  }

  private static Payload payload(int size) {
    return Payload.newBuilder().setBody(ByteString.copyFrom(new byte[size])).build();
  }

  private static String unary(ManagedChannel channel) {
    Metadata sent = new Metadata();
    sent.put(INITIAL, "said at the beginning");
    sent.put(TRAILING, new byte[] {0, 1, (byte) 0xfe, (byte) 0xff});
    AtomicReference<Metadata> headers = new AtomicReference<>();
    AtomicReference<Metadata> trailers = new AtomicReference<>();
    var stub =
        TestServiceGrpc.newBlockingStub(channel)
            .withDeadlineAfter(20, TimeUnit.SECONDS)
            .withInterceptors(
                MetadataUtils.newAttachHeadersInterceptor(sent),
                MetadataUtils.newCaptureMetadataInterceptor(headers, trailers));
    var answer =
        stub.unaryCall(SimpleRequest.newBuilder().setResponseSize(314159).setPayload(payload(271828)).build());
    return String.format(
        "\"authority\":\"%s\",\"unary\":%d,\"initial\":\"%s\",\"trailing\":\"%s\"",
        trailers.get().get(AUTHORITY),
        answer.getPayload().getBody().size(),
        headers.get().get(INITIAL),
        HexFormat.of().formatHex(trailers.get().get(TRAILING)));
  }

  private static List<Integer> pingPong(ManagedChannel channel) throws Exception {
    BlockingQueue<Integer> sizes = new LinkedBlockingQueue<>();
    var stub = TestServiceGrpc.newStub(channel).withDeadlineAfter(20, TimeUnit.SECONDS);
    StreamObserver<StreamingOutputCallRequest> requests =
        stub.fullDuplexCall(
            new StreamObserver<>() {
              @Override
              public void onNext(StreamingOutputCallResponse answer) {
                sizes.add(answer.getPayload().getBody().size());
              }

              @Override
              public void onError(Throwable thrown) {
                sizes.add(-1);
              }

              @Override
              public void onCompleted() {
                sizes.add(0);
              }
            });
    List<Integer> streamed = new ArrayList<>();
    for (int size : new int[] {31415, 9, 2653, 58979}) {
      requests.onNext(
          StreamingOutputCallRequest.newBuilder()
              .addResponseParameters(ResponseParameters.newBuilder().setSize(size))
              .setPayload(payload(size))
              .build());
      streamed.add(next(sizes));
    }
    requests.onCompleted();
    if (next(sizes) != 0) throw new IllegalStateException("the stream did not end well");
    return streamed;
  }

  private static int next(BlockingQueue<Integer> sizes) throws InterruptedException {
    Integer size = sizes.poll(20, TimeUnit.SECONDS);
    if (size == null) throw new IllegalStateException("an answer did not come in time");
    return size;
  }

  private static Status refusal(ManagedChannel channel) {
    EchoStatus wanted = EchoStatus.newBuilder().setCode(5).setMessage("nobody of that name: Zoë ☺").build();
    try {
      TestServiceGrpc.newBlockingStub(channel)
          .withDeadlineAfter(20, TimeUnit.SECONDS)
          .unaryCall(SimpleRequest.newBuilder().setResponseStatus(wanted).build());
      return Status.OK;
    } catch (StatusRuntimeException refused) {
      return refused.getStatus();
    }
  }
}
