// What kube-apiserver does with an EncryptionConfiguration, by kube-apiserver's own code: it loads the file, and then
// stores, loads and asks for its health as it is told on standard input, one line each, one answer in JSON each.
//
//	store TEXT      a secret on its way to etcd: {"stored": base64, "keyID"}
//	load BASE64     a secret on its way from etcd: {"text", "stale"}
//	health          the check behind /livez and /readyz: {}
//
// What fails has {"error"} in the place of it.
package main

import (
	"bufio"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"

	"google.golang.org/protobuf/proto"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apiserver/pkg/server/options/encryptionconfig"
	"k8s.io/apiserver/pkg/storage/value"
	kmstypes "k8s.io/apiserver/pkg/storage/value/encrypt/envelope/kmsv2/v2"
)

type answer map[string]any

func main() {
	ctx := context.Background()
	config, err := encryptionconfig.LoadEncryptionConfig(ctx, os.Args[1], false, "apiserver")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	secrets, found := config.Transformers[schema.GroupResource{Resource: "secrets"}]
	if !found {
		fmt.Fprintln(os.Stderr, "the configuration has no provider for secrets")
		os.Exit(1)
	}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		verb, argument, _ := strings.Cut(lines.Text(), " ")
		given, err := run(ctx, config, secrets, verb, argument)
		if err != nil {
			given = answer{"error": err.Error()}
		}
		if err := json.NewEncoder(os.Stdout).Encode(given); err != nil {
			os.Exit(1)
		}
	}
}

func run(ctx context.Context, config *encryptionconfig.EncryptionConfiguration, secrets value.Transformer, verb, argument string) (answer, error) {
	place := value.DefaultContext("/registry/secrets/default/name")
	switch verb {
	case "store":
		stored, err := secrets.TransformToStorage(ctx, []byte(argument), place)
		if err != nil {
			return nil, err
		}
		keyID, err := keyIDOf(stored)
		return answer{"stored": base64.StdEncoding.EncodeToString(stored), "keyID": keyID}, err
	case "load":
		stored, err := base64.StdEncoding.DecodeString(argument)
		if err != nil {
			return nil, err
		}
		text, stale, err := secrets.TransformFromStorage(ctx, stored, place)
		return answer{"text": string(text), "stale": stale}, err
	case "health":
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "/livez", nil)
		if err != nil {
			return nil, err
		}
		for _, check := range config.HealthChecks {
			if err := check.Check(request); err != nil {
				return nil, err
			}
		}
		return answer{}, nil
	}
	return nil, fmt.Errorf("unknown verb %q", verb)
}

// Behind the prefix k8s:enc:kms:v2:NAME: an object has its key id.
func keyIDOf(stored []byte) (string, error) {
	parts := strings.SplitN(string(stored), ":", 6)
	object := &kmstypes.EncryptedObject{}
	err := proto.Unmarshal([]byte(parts[len(parts)-1]), object)
	return object.KeyID, err
}
