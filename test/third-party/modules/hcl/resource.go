package main

import (
	"strings"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
	"github.com/zclconf/go-cty/cty"
)

// resource notes what can be known of a resource without its provider, and finds the conditions that it does not meet.
func (f folder) resource(block *hclsyntax.Block, context *hcl.EvalContext) {
	address := strings.Join(block.Labels, ".")
	made := f.made(block, context)
	if made {
		f.attributes(address, block.Body, context)
	}
	for _, inner := range block.Body.Blocks {
		if inner.Type == "lifecycle" {
			f.protection(address, inner.Body)
			if made {
				f.preconditions(address, inner.Body, context)
			}
		}
	}
}

// attributes notes what a resource's own strings come to; those that need what only a provider knows are left out.
func (f folder) attributes(address string, body *hclsyntax.Body, context *hcl.EvalContext) {
	for name, attribute := range body.Attributes {
		value, diags := attribute.Expr.Value(context)
		if !diags.HasErrors() && value.IsWhollyKnown() && !value.IsNull() && value.Type() == cty.String {
			f.report.Attributes[address+"."+name] = value.AsString()
		}
	}
	for _, inner := range body.Blocks {
		if inner.Type != "lifecycle" {
			f.attributes(address+"."+inner.Type, inner.Body, context)
		}
	}
}

// made tells whether there is such a resource at all: count may be 0.
func (f folder) made(block *hclsyntax.Block, context *hcl.EvalContext) bool {
	attribute := block.Body.Attributes["count"]
	if attribute == nil {
		return true
	}
	count, diags := attribute.Expr.Value(context)
	f.report.take(diags)
	return !diags.HasErrors() && count.IsKnown() && count.Equals(cty.Zero).False()
}

func (f folder) protection(address string, lifecycle *hclsyntax.Body) {
	attribute := lifecycle.Attributes["prevent_destroy"]
	if attribute == nil {
		return
	}
	value, diags := attribute.Expr.Value(nil)
	f.report.take(diags)
	if !diags.HasErrors() && value.True() {
		f.report.Protected = append(f.report.Protected, address)
	}
}

func (f folder) preconditions(address string, lifecycle *hclsyntax.Body, context *hcl.EvalContext) {
	for _, rule := range lifecycle.Blocks {
		if rule.Type != "precondition" {
			continue
		}
		verdict, diags := rule.Body.Attributes["condition"].Expr.Value(context)
		f.report.take(diags)
		if !diags.HasErrors() && verdict.False() {
			message, diags := rule.Body.Attributes["error_message"].Expr.Value(context)
			f.report.take(diags)
			f.report.find("%s: %s", address, message.AsString())
		}
	}
}
