// Package models holds what AWS's API models say of the services Wick serves:
// operations with their method, path and status, shapes with their members,
// where each member travels, and the constraints on it. The tables are generated
// (see gen) from the service descriptions AWS publishes, without their prose, and
// corrected where the real service was recorded to differ.
//
// Package protocol reads them; nothing else should need to.
package models

import (
	"bytes"
	"encoding/json"
	"fmt"
)

// Service is one service's API.
type Service struct {
	ID          string // "Lambda"
	SigningName string // the service in a signature's scope, e.g. "lambda"
	APIVersion  string // "2015-03-31"
	Protocol    string // "rest-json", "json", "query"
	// TargetPrefix is what precedes the operation in X-Amz-Target; "" for the
	// protocols that don't use it.
	TargetPrefix string
	Operations   map[string]*Operation
	Shapes       map[string]*Shape
}

// Operation is one API call.
type Operation struct {
	Name   string
	Method string // HTTP method
	URI    string // template, e.g. /2015-03-31/functions/{FunctionName}; may end in a fixed query
	Status int    // of a success, unless a member says otherwise
	Input  *Shape // nil when the call takes nothing
	Output *Shape // nil when it answers nothing
	Errors []*Shape
	// MaxBody is the most bytes a request's body may have.
	MaxBody int64
}

// Type is a shape's type.
type Type string

// The types of shapes. A union is a structure of which one member is set.
const (
	Structure Type = "structure"
	Union     Type = "union"
	List      Type = "list"
	Map       Type = "map"
	String    Type = "string"
	Blob      Type = "blob"
	Boolean   Type = "boolean"
	Integer   Type = "integer"
	Long      Type = "long"
	Float     Type = "float"
	Double    Type = "double"
	Timestamp Type = "timestamp"
	Document  Type = "document"
)

// Shape is a type of the API with its constraints.
type Shape struct {
	Name    string
	Type    Type
	Members []*Member // of a structure or union, in the model's order
	Payload *Member   // the member that is the whole body, or nil
	Element *Shape    // of a list
	Key     *Shape    // of a map
	Value   *Shape    // of a map

	// Min and Max bound a number's value, a string's or blob's length, a list's or
	// map's size; nil when unbounded.
	Min, Max *float64
	Pattern  string   // a regular expression the whole string matches; "" for any
	Enum     []string // the allowed values, in the order AWS lists them in errors
	// EnumMessage replaces the list of values in an error message, where AWS's has
	// values that are not in the model or lacks some.
	EnumMessage []string

	// BareElement says of a list that messages state its element's constraints as
	// the list's own; Sparse that its elements may be null.
	BareElement, Sparse bool

	Sensitive   bool // the value must not be repeated in messages or logs
	Streaming   bool
	EventStream bool
	// TimestampFormat is set where the shape departs from its location's default.
	TimestampFormat string

	Exception bool
	Status    int  // of an exception
	Fault     bool // an exception that is the service's fault, not the sender's
}

// Location is where a member travels in HTTP.
type Location string

// Locations of members.
const (
	Body        Location = "" // in the JSON document, or the payload
	Label       Location = "uri"
	Query       Location = "querystring"
	Header      Location = "header"
	PrefixHeads Location = "headers" // every header with LocationName as prefix
	StatusCode  Location = "statusCode"
)

// Member is one member of a structure.
type Member struct {
	Name     string
	Shape    *Shape
	Location Location
	// WireName is its name in JSON, query or headers.
	WireName         string
	Required         bool
	IdempotencyToken bool
	TimestampFormat  string
}

// Member returns the member of that name, or nil.
func (s *Shape) Member(name string) *Member {
	for _, m := range s.Members {
		if m.Name == name {
			return m
		}
	}
	return nil
}

// DefaultMaxBody bounds the request of an operation whose limit isn't recorded: the
// service's 6 MiB.
const DefaultMaxBody = 6 << 20

// The form the tables have in the generated files: short keys, because they are
// read at every start.
type (
	fileService struct {
		ID           string                   `json:"id"`
		SigningName  string                   `json:"signingName"`
		APIVersion   string                   `json:"apiVersion"`
		Protocol     string                   `json:"protocol"`
		TargetPrefix string                   `json:"targetPrefix,omitempty"`
		Operations   map[string]fileOperation `json:"operations"`
		Shapes       map[string]fileShape     `json:"shapes"`
	}
	fileOperation struct {
		Method string   `json:"m"`
		URI    string   `json:"u"`
		Status int      `json:"s"`
		Input  string   `json:"i,omitempty"`
		Output string   `json:"o,omitempty"`
		Errors []string `json:"e,omitempty"`
	}
	fileShape struct {
		Type        Type         `json:"t"`
		Members     []fileMember `json:"m,omitempty"`
		Payload     string       `json:"p,omitempty"`
		Element     string       `json:"l,omitempty"`
		Key         string       `json:"k,omitempty"`
		Value       string       `json:"v,omitempty"`
		Min         *float64     `json:"min,omitempty"`
		Max         *float64     `json:"max,omitempty"`
		Pattern     string       `json:"re,omitempty"`
		Enum        []string     `json:"enum,omitempty"`
		Sensitive   bool         `json:"secret,omitempty"`
		Streaming   bool         `json:"stream,omitempty"`
		EventStream bool         `json:"events,omitempty"`
		Format      string       `json:"f,omitempty"`
		Status      int          `json:"err,omitempty"`
		Fault       bool         `json:"fault,omitempty"`
	}
	fileMember struct {
		Name     string   `json:"n"`
		Shape    string   `json:"s"`
		Location Location `json:"in,omitempty"`
		WireName string   `json:"w,omitempty"` // when it isn't Name
		Required bool     `json:"r,omitempty"`
		Token    bool     `json:"tok,omitempty"`
		Format   string   `json:"f,omitempty"`
	}
)

// load reads a generated table. It panics on a broken one: the table is part of
// the program.
func load(table []byte) *Service {
	var f fileService
	if err := json.NewDecoder(bytes.NewReader(table)).Decode(&f); err != nil {
		panic(fmt.Sprintf("models: %v", err))
	}
	s := &Service{
		ID: f.ID, SigningName: f.SigningName, APIVersion: f.APIVersion, Protocol: f.Protocol,
		TargetPrefix: f.TargetPrefix,
		Operations:   make(map[string]*Operation, len(f.Operations)),
		Shapes:       make(map[string]*Shape, len(f.Shapes)),
	}
	all := make([]Shape, len(f.Shapes))
	i := 0
	for name := range f.Shapes {
		all[i].Name = name
		s.Shapes[name] = &all[i]
		i++
	}
	for name, fs := range f.Shapes {
		fs.link(s.Shapes[name], s)
	}
	for name, fo := range f.Operations {
		op := &Operation{Name: name, Method: fo.Method, URI: fo.URI, Status: fo.Status, MaxBody: DefaultMaxBody}
		op.Input, op.Output = s.shape(fo.Input), s.shape(fo.Output)
		for _, e := range fo.Errors {
			op.Errors = append(op.Errors, s.shape(e))
		}
		s.Operations[name] = op
	}
	return s
}

func (f *fileShape) link(to *Shape, s *Service) {
	to.Type, to.Min, to.Max, to.Pattern, to.Enum = f.Type, f.Min, f.Max, f.Pattern, f.Enum
	to.Sensitive, to.Streaming, to.EventStream, to.TimestampFormat = f.Sensitive, f.Streaming, f.EventStream, f.Format
	to.Exception, to.Status, to.Fault = f.Status != 0, f.Status, f.Fault
	to.Element, to.Key, to.Value = s.shape(f.Element), s.shape(f.Key), s.shape(f.Value)
	members := make([]Member, len(f.Members))
	to.Members = make([]*Member, len(f.Members))
	for i, m := range f.Members {
		members[i] = Member{
			Name: m.Name, Shape: s.shape(m.Shape), Location: m.Location, WireName: m.WireName,
			Required: m.Required, IdempotencyToken: m.Token, TimestampFormat: m.Format,
		}
		if m.WireName == "" {
			members[i].WireName = m.Name
		}
		to.Members[i] = &members[i]
		if m.Name == f.Payload {
			to.Payload = &members[i]
		}
	}
}

// shape returns a shape by name, nil for "", and panics for one that isn't there.
func (s *Service) shape(name string) *Shape {
	if name == "" {
		return nil
	}
	sh := s.Shapes[name]
	if sh == nil {
		panic("models: " + s.ID + " has no shape " + name)
	}
	return sh
}
