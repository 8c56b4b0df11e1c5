// Package models holds what AWS's API models say of the services Wick serves:
// operations with their method, path and status, shapes with their members,
// where each member travels, and the constraints on it. The tables are generated
// (see gen) from the service descriptions AWS publishes, without their prose, and
// corrected where the real service was recorded to differ.
//
// Package protocol reads them; nothing else should need to.
package models

// Service is one service's API.
type Service struct {
	ID          string // "Lambda"
	SigningName string // the service in a signature's scope, e.g. "lambda"
	APIVersion  string // "2015-03-31"
	Protocol    string // "rest-json", "json", "query"
	// TargetPrefix is what precedes the operation in X-Amz-Target; "" for the
	// protocols that don't use it.
	TargetPrefix string
	JSONVersion  string // of "json": "1.0" or "1.1"; "" for the others
	// Protocols are those of a service that speaks several, Protocol among them; each
	// request says which it is in. nil for one.
	Protocols    []string
	XMLNamespace string // of answers in "query"
	Operations   map[string]*Operation
	Shapes       map[string]*Shape
	// Codes are the service's own error codes where they differ from those that
	// package protocol has for a kind of failure, by the latter.
	Codes map[string]string
	// QueryCodes are what "query" calls the codes that no shape is named after.
	QueryCodes map[string]string
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
	// map's size.
	Min, Max Bound
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
	// Code is what "query" calls an exception, of services that speak that among others.
	Code string
}

// Bound is a limit of a constraint; the zero value is none.
type Bound struct {
	Set bool
	At  float64
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

// The form the tables have in the generated files: composite literals that the
// compiler lays out, so that a start has nothing to parse. Shapes refer to each other
// by name there.
type (
	serviceTable struct {
		id, signingName, apiVersion, protocol, targetPrefix, jsonVersion string
		protocols                                                        []string
		xmlNamespace                                                     string
		operations                                                       []operationRow
		shapes                                                           []shapeRow
	}
	operationRow struct {
		name, method, uri string
		status            int
		in, out           string
		errors            []string
	}
	shapeRow struct {
		name                      string
		typ                       Type
		members                   []memberRow
		payload                   string
		list, key, value          string
		min, max                  Bound
		pattern                   string
		enum                      []string
		sensitive, stream, events bool
		format                    string
		exception                 int // its status
		fault                     bool
		code                      string
	}
	memberRow struct {
		name, shape string
		in          Location
		wire        string // when it isn't name
		required    bool
		token       bool
		format      string
	}
)

// load links a generated table. It panics on a broken one: the table is part of the
// program.
func load(t *serviceTable) *Service {
	s := &Service{
		ID: t.id, SigningName: t.signingName, APIVersion: t.apiVersion, Protocol: t.protocol,
		TargetPrefix: t.targetPrefix, JSONVersion: t.jsonVersion, Protocols: t.protocols, XMLNamespace: t.xmlNamespace,
		Operations: make(map[string]*Operation, len(t.operations)),
		Shapes:     make(map[string]*Shape, len(t.shapes)),
	}
	shapes := make([]Shape, len(t.shapes))
	for i := range t.shapes {
		shapes[i].Name = t.shapes[i].name
		s.Shapes[shapes[i].Name] = &shapes[i]
	}
	for i := range t.shapes {
		t.shapes[i].link(&shapes[i], s)
	}
	operations := make([]Operation, len(t.operations))
	for i := range t.operations {
		row, op := &t.operations[i], &operations[i]
		*op = Operation{
			Name: row.name, Method: row.method, URI: row.uri, Status: row.status, MaxBody: DefaultMaxBody,
			Input: s.shape(row.in), Output: s.shape(row.out), Errors: make([]*Shape, len(row.errors)),
		}
		for j, e := range row.errors {
			op.Errors[j] = s.shape(e)
		}
		s.Operations[op.Name] = op
	}
	return s
}

func (r *shapeRow) link(to *Shape, s *Service) {
	to.Type, to.Min, to.Max, to.Pattern, to.Enum = r.typ, r.min, r.max, r.pattern, r.enum
	to.Sensitive, to.Streaming, to.EventStream, to.TimestampFormat = r.sensitive, r.stream, r.events, r.format
	to.Exception, to.Status, to.Fault, to.Code = r.exception != 0, r.exception, r.fault, r.code
	to.Element, to.Key, to.Value = s.shape(r.list), s.shape(r.key), s.shape(r.value)
	members := make([]Member, len(r.members))
	to.Members = make([]*Member, len(r.members))
	for i, m := range r.members {
		members[i] = Member{
			Name: m.name, Shape: s.shape(m.shape), Location: m.in, WireName: m.wire,
			Required: m.required, IdempotencyToken: m.token, TimestampFormat: m.format,
		}
		if m.wire == "" {
			members[i].WireName = m.name
		}
		to.Members[i] = &members[i]
		if m.name == r.payload {
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
