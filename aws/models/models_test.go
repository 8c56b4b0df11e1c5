package models

import (
	"slices"
	"strings"
	"testing"
)

func TestLambdasTableIsWhole(t *testing.T) {
	s := Lambda()
	if s.ID != "Lambda" || s.SigningName != "lambda" || s.Protocol != "rest-json" || len(s.Operations) != 88 {
		t.Errorf("got %s %s %s with %d operations", s.ID, s.SigningName, s.Protocol, len(s.Operations))
	}
	for name, op := range s.Operations {
		if op.Name != name || op.Method == "" || !strings.HasPrefix(op.URI, "/") || op.Status < 200 || op.Status > 299 || op.MaxBody <= 0 {
			t.Errorf("%s is %+v", name, op)
		}
		if op.Input == nil {
			continue
		}
		for _, m := range op.Input.Members {
			if in := strings.Contains(op.URI, "{"+m.WireName+"}"); in != (m.Location == Label) {
				t.Errorf("%s: member %s travels in %q, the template is %s", name, m.Name, m.Location, op.URI)
			}
		}
		for _, e := range op.Errors {
			if !e.Exception || e.Status < 400 {
				t.Errorf("%s: error %s has status %d", name, e.Name, e.Status)
			}
		}
	}
	for name, sh := range s.Shapes {
		if sh.Name != name || sh.Type == List && sh.Element == nil || sh.Type == Map && (sh.Key == nil || sh.Value == nil) {
			t.Errorf("shape %s is %+v", name, sh)
		}
	}
}

func TestMembersKnowTheirPlace(t *testing.T) {
	in := Lambda().Operations["Invoke"].Input
	if in.Payload == nil || in.Payload.Name != "Payload" {
		t.Errorf("the payload is %+v", in.Payload)
	}
	for name, want := range map[string]Member{
		"FunctionName": {Location: Label, WireName: "FunctionName", Required: true},
		"LogType":      {Location: Header, WireName: "X-Amz-Log-Type"},
		"Qualifier":    {Location: Query, WireName: "Qualifier"},
		"Payload":      {Location: Body, WireName: "Payload"},
	} {
		m := in.Member(name)
		if m == nil || m.Location != want.Location || m.WireName != want.WireName || m.Required != want.Required {
			t.Errorf("%s is %+v", name, m)
		}
	}
	if in.Member("None") != nil {
		t.Error("a member that isn't there is there")
	}
}

// A recorded order must hold the same values as the model, or know better.
func TestRecordedEnumsHoldWhatTheModelHas(t *testing.T) {
	for name, recorded := range lambdaEnumOrder {
		for _, v := range Lambda().Shapes[name].Enum {
			if name != "Runtime" && !slices.Contains(recorded, v) {
				t.Errorf("%s lacks %s", name, v)
			}
		}
	}
	for _, r := range RuntimesInUse {
		if !slices.Contains(Lambda().Shapes["Runtime"].Enum, r) {
			t.Errorf("%s is no runtime", r)
		}
	}
}

func TestABrokenTableIsNotTakenForAModel(t *testing.T) {
	for _, table := range []serviceTable{
		{operations: []operationRow{{name: "A", in: "None"}}},
		{shapes: []shapeRow{{name: "A", typ: List, list: "None"}}},
		{shapes: []shapeRow{{name: "A", typ: Structure, members: []memberRow{{name: "M", shape: "None"}}}}},
	} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%+v was taken", table)
				}
			}()
			load(&table)
		}()
	}
}

func BenchmarkLoadLambda(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		applyLambdaRecordings(load(&lambdaTable))
	}
}
