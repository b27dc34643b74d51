package main

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/ext/tryfunc"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	ctyyaml "github.com/zclconf/go-cty-yaml"
	"github.com/zclconf/go-cty/cty"
	"github.com/zclconf/go-cty/cty/function"
	"github.com/zclconf/go-cty/cty/function/stdlib"
)

// functions are those of Terraform that the folders use; those that are not go-cty's own are written as Terraform's
// reference describes them.
var functions = map[string]function.Function{
	"can":        tryfunc.CanFunc,
	"contains":   stdlib.ContainsFunc,
	"floor":      stdlib.FloorFunc,
	"jsondecode": stdlib.JSONDecodeFunc,
	"jsonencode": stdlib.JSONEncodeFunc,
	"length":     lengthFunc,
	"one":        oneFunc,
	"regex":      stdlib.RegexFunc,
	"startswith": startsWithFunc,
	"toset":      stdlib.MakeToFunc(cty.Set(cty.DynamicPseudoType)),
	"trimsuffix": stdlib.TrimSuffixFunc,
	"yamlencode": ctyyaml.YAMLEncodeFunc,
}

// lengthFunc is of strings too: https://developer.hashicorp.com/terraform/language/functions/length
var lengthFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "value", Type: cty.DynamicPseudoType}},
	Type:   function.StaticReturnType(cty.Number),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		if args[0].Type() == cty.String {
			return stdlib.Strlen(args[0])
		}
		return stdlib.Length(args[0])
	},
})

// oneFunc gives the only element, or null: https://developer.hashicorp.com/terraform/language/functions/one
var oneFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "list", Type: cty.DynamicPseudoType}},
	Type:   function.StaticReturnType(cty.DynamicPseudoType),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		elements := args[0].AsValueSlice()
		switch len(elements) {
		case 0:
			return cty.NullVal(cty.DynamicPseudoType), nil
		case 1:
			return elements[0], nil
		}
		return cty.NilVal, function.NewArgErrorf(0, "must have no more than one element")
	},
})

// startsWithFunc: https://developer.hashicorp.com/terraform/language/functions/startswith
var startsWithFunc = function.New(&function.Spec{
	Params: []function.Parameter{{Name: "str", Type: cty.String}, {Name: "prefix", Type: cty.String}},
	Type:   function.StaticReturnType(cty.Bool),
	Impl: func(args []cty.Value, _ cty.Type) (cty.Value, error) {
		return cty.BoolVal(strings.HasPrefix(args[0].AsString(), args[1].AsString())), nil
	},
})

// evaluate fills in samples, checks every validation, and evaluates locals, outputs and what it can of resources.
func (f folder) evaluate(samples Samples) {
	context := &hcl.EvalContext{Functions: functions, Variables: f.resources(samples)}
	variables := map[string]cty.Value{}
	for _, block := range f.blocks {
		if block.Type == "variable" {
			variables[block.Labels[0]] = f.variable(block, samples)
		}
	}
	context.Variables["var"] = cty.ObjectVal(variables)
	for _, block := range f.blocks {
		if block.Type == "variable" {
			f.validate(block, samples, variables)
		}
	}
	f.locals(context)
	for _, block := range f.blocks {
		switch block.Type {
		case "output":
			value, diags := block.Body.Attributes["value"].Expr.Value(context)
			f.report.take(diags)
			if !diags.HasErrors() && value.Type() == cty.String {
				f.report.Outputs[block.Labels[0]] = value.AsString()
			}
		case "resource":
			f.resource(block, context)
		}
	}
}

// resources makes each sample an object at its address; one with count is given as a list of objects.
func (f folder) resources(samples Samples) map[string]cty.Value {
	tree := map[string]map[string]cty.Value{}
	data := map[string]map[string]cty.Value{}
	for address, raw := range samples.Resources {
		value, err := valueOf(raw)
		if err != nil {
			f.report.find("samples: %s: %v", address, err)
			continue
		}
		into, parts := tree, strings.Split(address, ".")
		if parts[0] == "data" {
			into, parts = data, parts[1:]
		}
		if into[parts[0]] == nil {
			into[parts[0]] = map[string]cty.Value{}
		}
		into[parts[0]][parts[1]] = value
	}
	variables := map[string]cty.Value{"data": objectOf(data)}
	for kind, named := range tree {
		variables[kind] = cty.ObjectVal(named)
	}
	return variables
}

func objectOf(tree map[string]map[string]cty.Value) cty.Value {
	found := map[string]cty.Value{}
	for kind, named := range tree {
		found[kind] = cty.ObjectVal(named)
	}
	return cty.ObjectVal(found)
}

// variable gives the sample, or the default where there is none.
func (f folder) variable(block *hclsyntax.Block, samples Samples) cty.Value {
	name := block.Labels[0]
	if raw, is := samples.Variables[name]; is {
		value, err := valueOf(raw)
		if err == nil {
			return value
		}
		f.report.find("samples: %s: %v", name, err)
	}
	attribute := block.Body.Attributes["default"]
	if attribute == nil {
		f.report.find("variable %s has no default and no sample", name)
		return cty.DynamicVal
	}
	value, diags := attribute.Expr.Value(nil)
	f.report.take(diags)
	return value
}

func (f folder) validate(block *hclsyntax.Block, samples Samples, variables map[string]cty.Value) {
	name := block.Labels[0]
	if !f.holds(block, variables[name]) {
		f.report.find("variable %s refuses its sample or default", name)
	}
	for _, raw := range samples.Refused[name] {
		value, err := valueOf(raw)
		if err != nil {
			f.report.find("samples: %s: %v", name, err)
		} else if f.holds(block, value) {
			f.report.find("variable %s takes %s", name, raw)
		}
	}
}

// holds tells whether every validation of the variable is true of value.
func (f folder) holds(block *hclsyntax.Block, value cty.Value) bool {
	context := &hcl.EvalContext{
		Functions: functions,
		Variables: map[string]cty.Value{"var": cty.ObjectVal(map[string]cty.Value{block.Labels[0]: value})},
	}
	all := true
	for _, rule := range block.Body.Blocks {
		verdict, diags := rule.Body.Attributes["condition"].Expr.Value(context)
		f.report.take(diags)
		all = all && !diags.HasErrors() && verdict.True()
	}
	return all
}

func (f folder) locals(context *hcl.EvalContext) {
	found := map[string]cty.Value{}
	for _, block := range f.blocks {
		if block.Type != "locals" {
			continue
		}
		for name, attribute := range block.Body.Attributes {
			value, diags := attribute.Expr.Value(context)
			f.report.take(diags)
			found[name] = value
		}
	}
	context.Variables["local"] = cty.ObjectVal(found)
}
