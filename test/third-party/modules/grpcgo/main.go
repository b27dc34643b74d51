// Command grpcgo makes the calls of interop/calls.ts on grpc-go, at the target of its argument, and prints what came back.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

type outcome struct {
	Authority string `json:"authority"`
	Unary     int    `json:"unary"`
	Initial   string `json:"initial"`
	Trailing  string `json:"trailing"`
	Streamed  []int  `json:"streamed"`
	Code      int    `json:"code"`
	Message   string `json:"message"`
}

func payload(size int) *grpc_testing.Payload {
	return &grpc_testing.Payload{Body: make([]byte, size)}
}

func first(fields metadata.MD, name string) string {
	values := fields.Get(name)
	if len(values) == 0 {
		return ""
	}
	return values[0]
}

func unary(ctx context.Context, service grpc_testing.TestServiceClient, seen *outcome) error {
	ctx = metadata.AppendToOutgoingContext(ctx,
		"x-grpc-test-echo-initial", "said at the beginning",
		"x-grpc-test-echo-trailing-bin", "\x00\x01\xfe\xff")
	var headers, trailers metadata.MD
	answer, err := service.UnaryCall(ctx,
		&grpc_testing.SimpleRequest{ResponseSize: 314159, Payload: payload(271828)},
		grpc.Header(&headers), grpc.Trailer(&trailers))
	if err != nil {
		return err
	}
	seen.Unary = len(answer.GetPayload().GetBody())
	seen.Initial = first(headers, "x-grpc-test-echo-initial")
	seen.Trailing = fmt.Sprintf("%x", first(trailers, "x-grpc-test-echo-trailing-bin"))
	seen.Authority = first(trailers, "x-test-authority")
	return nil
}

func pingPong(ctx context.Context, service grpc_testing.TestServiceClient, seen *outcome) error {
	stream, err := service.FullDuplexCall(ctx)
	if err != nil {
		return err
	}
	for _, size := range []int{31415, 9, 2653, 58979} {
		request := &grpc_testing.StreamingOutputCallRequest{
			ResponseParameters: []*grpc_testing.ResponseParameters{{Size: int32(size)}},
			Payload:            payload(size),
		}
		if err := stream.Send(request); err != nil {
			return err
		}
		answer, err := stream.Recv()
		if err != nil {
			return err
		}
		seen.Streamed = append(seen.Streamed, len(answer.GetPayload().GetBody()))
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if _, err := stream.Recv(); err != io.EOF {
		return fmt.Errorf("the stream ended with %v", err)
	}
	return nil
}

func refusal(ctx context.Context, service grpc_testing.TestServiceClient, seen *outcome) {
	wanted := &grpc_testing.EchoStatus{Code: 5, Message: "nobody of that name: Zoë ☺"}
	_, err := service.UnaryCall(ctx, &grpc_testing.SimpleRequest{ResponseStatus: wanted})
	seen.Code, seen.Message = int(status.Code(err)), status.Convert(err).Message()
}

func main() {
	log.SetFlags(0)
	connection, err := grpc.NewClient(os.Args[1], grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		log.Fatal(err)
	}
	defer connection.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	service, seen := grpc_testing.NewTestServiceClient(connection), &outcome{}
	if err := unary(ctx, service, seen); err != nil {
		log.Fatal(err)
	}
	if err := pingPong(ctx, service, seen); err != nil {
		log.Fatal(err)
	}
	refusal(ctx, service, seen)
	if err := json.NewEncoder(os.Stdout).Encode(seen); err != nil {
		log.Fatal(err)
	}
}
