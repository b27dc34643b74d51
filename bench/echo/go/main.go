// Command echo is the bench's echo service on grpc-go: the generated code, a server without options, nothing between.
//
//	echo SOCKET
//
// SIGUSR2 makes it print how many calls it has answered.
package main

import (
	"context"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"

	"bench/echo/echopb"

	"google.golang.org/grpc"
)

type echo struct {
	echopb.UnimplementedEchoServer
	answered atomic.Int64
}

func (e *echo) Echo(_ context.Context, request *echopb.EchoMessage) (*echopb.EchoMessage, error) {
	e.answered.Add(1)
	return &echopb.EchoMessage{Payload: request.GetPayload()}, nil
}

func main() {
	service := new(echo)
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGUSR2)
	go func() {
		for range asked {
			fmt.Println(service.answered.Load())
		}
	}()
	listener, err := net.Listen("unix", os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	server := grpc.NewServer()
	echopb.RegisterEchoServer(server, service)
	log.Fatal(server.Serve(listener))
}
