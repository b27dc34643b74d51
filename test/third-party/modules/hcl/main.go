// Command hcl checks one folder of Terraform with the parser and the evaluator that Terraform is made of
// (hashicorp/hcl, go-cty), where no provider can be downloaded: syntax, form, every name declared and used, every
// validation against samples, and what the outputs come to when resources have sample attributes.
//
// Usage: hcl FOLDER < samples.json. Prints {"findings": [...], "outputs": {...}, "attributes": {...},
// "protected": [...]}.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"sort"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclparse"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/hashicorp/hcl/v2/hclwrite"
	"github.com/zclconf/go-cty/cty"
	ctyjson "github.com/zclconf/go-cty/cty/json"
)

// Samples are values that a customer would give, and attributes that a provider would set.
type Samples struct {
	Variables map[string]json.RawMessage `json:"variables"`
	// Resources by "TYPE.NAME"; data sources by "data.TYPE.NAME".
	Resources map[string]json.RawMessage `json:"resources"`
	// Refused values by variable: each must fail the variable's validation.
	Refused map[string][]json.RawMessage `json:"refused"`
}

// Report is what is printed.
type Report struct {
	Findings []string          `json:"findings"`
	Outputs  map[string]string `json:"outputs"`
	// Attributes of resources that are made, are strings and can be evaluated, by "TYPE.NAME.ATTRIBUTE"; those of nested blocks by
	// "TYPE.NAME.BLOCK.ATTRIBUTE".
	Attributes map[string]string `json:"attributes"`
	// Protected resources by "TYPE.NAME": those that Terraform refuses to destroy (lifecycle, prevent_destroy).
	Protected []string `json:"protected"`
}

type folder struct {
	blocks []*hclsyntax.Block
	report *Report
}

func main() {
	report := &Report{
		Findings: []string{}, Outputs: map[string]string{}, Attributes: map[string]string{}, Protected: []string{},
	}
	var samples Samples
	if err := json.NewDecoder(os.Stdin).Decode(&samples); err != nil {
		report.find("samples: %v", err)
	}
	f := read(os.Args[1], report)
	f.checkNames()
	f.evaluate(samples)
	sort.Strings(report.Findings)
	sort.Strings(report.Protected)
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(report)
}

func (r *Report) find(format string, args ...any) {
	r.Findings = append(r.Findings, fmt.Sprintf(format, args...))
}

func (r *Report) take(diags hcl.Diagnostics) {
	for _, diag := range diags {
		r.find("%s", diag.Error())
	}
}

// read parses every file and compares it with how hclwrite would write it.
func read(path string, report *Report) folder {
	names, _ := filepath.Glob(filepath.Join(path, "*.tf"))
	if len(names) == 0 {
		report.find("%s has no file", path)
	}
	f := folder{report: report}
	parser := hclparse.NewParser()
	for _, name := range names {
		source, err := os.ReadFile(name)
		if err != nil {
			report.find("%v", err)
			continue
		}
		if !bytes.Equal(hclwrite.Format(source), source) {
			report.find("%s is not formatted", filepath.Base(name))
		}
		file, diags := parser.ParseHCL(source, filepath.Base(name))
		report.take(diags)
		if file != nil {
			f.blocks = append(f.blocks, file.Body.(*hclsyntax.Body).Blocks...)
		}
	}
	return f
}

// declared gives the address of everything that an expression can name.
func (f folder) declared() map[string]*hclsyntax.Block {
	found := map[string]*hclsyntax.Block{}
	for _, block := range f.blocks {
		switch block.Type {
		case "variable":
			found["var."+block.Labels[0]] = block
		case "resource":
			found[block.Labels[0]+"."+block.Labels[1]] = block
		case "data":
			found["data."+block.Labels[0]+"."+block.Labels[1]] = block
		case "locals":
			for name := range block.Body.Attributes {
				found["local."+name] = block
			}
		}
	}
	return found
}

// addressOf is what a traversal names: "var.x", "data.TYPE.NAME", "TYPE.NAME"; empty for each.key and the like.
func addressOf(traversal hcl.Traversal) string {
	parts := []string{}
	for _, step := range traversal {
		switch step := step.(type) {
		case hcl.TraverseRoot:
			parts = append(parts, step.Name)
		case hcl.TraverseAttr:
			parts = append(parts, step.Name)
		}
	}
	wanted := 2
	if len(parts) > 0 && parts[0] == "data" {
		wanted = 3
	}
	if len(parts) < wanted || parts[0] == "each" || parts[0] == "self" {
		return ""
	}
	address := parts[0]
	for _, part := range parts[1:wanted] {
		address += "." + part
	}
	return address
}

func (f folder) checkNames() {
	declared := f.declared()
	used := map[string]bool{}
	for _, block := range f.blocks {
		diags := hclsyntax.VisitAll(block.Body, func(node hclsyntax.Node) hcl.Diagnostics {
			expression, is := node.(*hclsyntax.ScopeTraversalExpr)
			if !is {
				return nil
			}
			address := addressOf(expression.Traversal)
			if address == "" {
				return nil
			}
			if declared[address] == nil {
				f.report.find("%s is not declared", address)
			}
			// A variable's own validation is no use of it.
			if !(block.Type == "variable" && address == "var."+block.Labels[0]) {
				used[address] = true
			}
			return nil
		})
		f.report.take(diags)
	}
	for address, block := range declared {
		if block.Type != "resource" && !used[address] {
			f.report.find("%s is declared and not used", address)
		}
	}
	for _, block := range f.blocks {
		if block.Type == "variable" || block.Type == "output" {
			if block.Body.Attributes["description"] == nil {
				f.report.find("%s %s has no description", block.Type, block.Labels[0])
			}
		}
		if block.Type == "variable" && block.Body.Attributes["type"] == nil {
			f.report.find("variable %s has no type", block.Labels[0])
		}
	}
}

func valueOf(raw json.RawMessage) (cty.Value, error) {
	t, err := ctyjson.ImpliedType(raw)
	if err != nil {
		return cty.NilVal, err
	}
	return ctyjson.Unmarshal(raw, t)
}
