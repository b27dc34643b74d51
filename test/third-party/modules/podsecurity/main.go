// Says which Pod Security level pods meet, by the code that the API server decides with.
//
// Reads manifests (YAML) from its standard input, its one argument is the version of the standards ("v1.30"). Writes a
// line of JSON for each pod and each template of pods: the strictest level that it meets, and what keeps it from the
// next one.
package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

// object is what matters here of a Pod and of everything that has a template of pods.
type object struct {
	Kind     string            `json:"kind"`
	Metadata metav1.ObjectMeta `json:"metadata"`
	Spec     json.RawMessage   `json:"spec"`
}

type templated struct {
	Template corev1.PodTemplateSpec `json:"template"`
}

type verdict struct {
	Kind  string    `json:"kind"`
	Name  string    `json:"name"`
	Level api.Level `json:"level"`
	// What the next stricter level forbids; empty at "restricted".
	Forbidden []string `json:"forbidden"`
}

func main() {
	if err := judge(os.Stdin, os.Stdout, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func judge(in io.Reader, out io.Writer, args []string) error {
	if len(args) != 1 {
		return errors.New("usage: podsecurity VERSION <MANIFESTS")
	}
	version, err := api.ParseVersion(args[0])
	if err != nil {
		return err
	}
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return err
	}
	documents := utilyaml.NewYAMLReader(bufio.NewReader(in))
	lines := json.NewEncoder(out)
	for {
		document, err := documents.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		var found object
		if err := yaml.Unmarshal(document, &found); err != nil {
			return err
		}
		metadata, spec, err := podOf(found)
		if err != nil {
			return fmt.Errorf("%s %s: %w", found.Kind, found.Metadata.Name, err)
		}
		if spec == nil {
			continue
		}
		result := verdict{Kind: found.Kind, Name: found.Metadata.Name, Level: api.LevelPrivileged, Forbidden: []string{}}
		for _, level := range []api.Level{api.LevelBaseline, api.LevelRestricted} {
			checks := evaluator.EvaluatePod(api.LevelVersion{Level: level, Version: version}, metadata, spec)
			result.Forbidden = forbidden(checks)
			if len(result.Forbidden) > 0 {
				break
			}
			result.Level = level
		}
		if err := lines.Encode(result); err != nil {
			return err
		}
	}
}

// podOf finds the pod in an object; nothing where there is none.
func podOf(found object) (*metav1.ObjectMeta, *corev1.PodSpec, error) {
	switch found.Kind {
	case "Pod":
		spec := &corev1.PodSpec{}
		return &found.Metadata, spec, json.Unmarshal(found.Spec, spec)
	case "Deployment", "DaemonSet", "StatefulSet", "ReplicaSet", "Job":
		spec := &templated{}
		err := json.Unmarshal(found.Spec, spec)
		return &spec.Template.ObjectMeta, &spec.Template.Spec, err
	case "CronJob":
		return nil, nil, errors.New("is a kind that this program does not look into")
	default:
		return nil, nil, nil
	}
}

func forbidden(checks []policy.CheckResult) []string {
	reasons := []string{}
	for _, check := range checks {
		if !check.Allowed {
			reasons = append(reasons, strings.TrimSpace(check.ForbiddenReason+": "+check.ForbiddenDetail))
		}
	}
	return reasons
}
