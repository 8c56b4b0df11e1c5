// Command gen writes a service's table for package models from botocore's
// description of it, leaving out the prose. An extra file in the same format adds
// operations and shapes that the description lacks.
package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"log"
	"os"
	"slices"
	"sort"
)

func main() {
	log.SetFlags(0)
	model := flag.String("model", "", "botocore's service-2.json")
	extra := flag.String("extra", "", "a file of the same format with what to add")
	out := flag.String("out", "", "the table to write")
	flag.Parse()
	if err := run(*model, *extra, *out); err != nil {
		log.Fatalf("gen: %v", err)
	}
}

func run(model, extra, out string) error {
	svc, err := read(model)
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%w: it is service-2.json of the service in the botocore package (PyPI); name it with -model", err)
	}
	if err != nil {
		return err
	}
	if extra != "" {
		more, err := read(extra)
		if err != nil {
			return err
		}
		for name, op := range more.Operations {
			svc.Operations[name] = op
		}
		for name, sh := range more.Shapes {
			svc.Shapes[name] = sh
		}
	}
	table, err := svc.table()
	if err != nil {
		return err
	}
	return os.WriteFile(out, table, 0o644)
}

// description is the part of botocore's format that is needed.
type description struct {
	Metadata struct {
		ServiceID      string `json:"serviceId"`
		SigningName    string `json:"signingName"`
		EndpointPrefix string `json:"endpointPrefix"`
		APIVersion     string `json:"apiVersion"`
		Protocol       string `json:"protocol"`
		TargetPrefix   string `json:"targetPrefix"`
	} `json:"metadata"`
	Operations map[string]operation `json:"operations"`
	Shapes     map[string]shape     `json:"shapes"`
}

type operation struct {
	HTTP struct {
		Method       string `json:"method"`
		RequestURI   string `json:"requestUri"`
		ResponseCode int    `json:"responseCode"`
	} `json:"http"`
	Input  ref   `json:"input"`
	Output ref   `json:"output"`
	Errors []ref `json:"errors"`
}

type ref struct {
	Shape string `json:"shape"`
}

type shape struct {
	Type            string   `json:"type"`
	Members         members  `json:"members"`
	Required        []string `json:"required"`
	Payload         string   `json:"payload"`
	Member          ref      `json:"member"`
	Key             ref      `json:"key"`
	Value           ref      `json:"value"`
	Min             *float64 `json:"min"`
	Max             *float64 `json:"max"`
	Pattern         string   `json:"pattern"`
	Enum            []string `json:"enum"`
	Sensitive       bool     `json:"sensitive"`
	Streaming       bool     `json:"streaming"`
	EventStream     bool     `json:"eventstream"`
	Union           bool     `json:"union"`
	Document        bool     `json:"document"`
	TimestampFormat string   `json:"timestampFormat"`
	Exception       bool     `json:"exception"`
	Fault           bool     `json:"fault"`
	Error           struct {
		Status int `json:"httpStatusCode"`
	} `json:"error"`
}

type member struct {
	Name             string `json:"-"`
	Shape            string `json:"shape"`
	Location         string `json:"location"`
	LocationName     string `json:"locationName"`
	IdempotencyToken bool   `json:"idempotencyToken"`
	TimestampFormat  string `json:"timestampFormat"`
}

// members keeps the order they have in the file: validation errors follow it.
type members []member

func (ms *members) UnmarshalJSON(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	if _, err := d.Token(); err != nil { // the opening brace
		return err
	}
	for d.More() {
		name, err := d.Token()
		if err != nil {
			return err
		}
		m := member{Name: fmt.Sprint(name)}
		if err := d.Decode(&m); err != nil {
			return err
		}
		*ms = append(*ms, m)
	}
	return nil
}

func read(path string) (*description, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var d description
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return &d, nil
}

// object marshals its members in the order they were put in, leaving zero values out.
type object []entry

type entry struct {
	key   string
	value any
}

func (o *object) put(key string, value any, when bool) {
	if when {
		*o = append(*o, entry{key, value})
	}
}

func (o object) MarshalJSON() ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i, e := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, "%q:", e.key)
		v, err := marshal(e.value)
		if err != nil {
			return nil, err
		}
		b.Write(v)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}

// marshal leaves <, > and & as they are: patterns are full of them.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, err
	}
	return bytes.TrimRight(b.Bytes(), "\n"), nil
}

// table renders the description with one operation or shape a line, by name.
func (d *description) table() ([]byte, error) {
	signing := d.Metadata.SigningName
	if signing == "" {
		signing = d.Metadata.EndpointPrefix
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "{\"id\":%q,\"signingName\":%q,\"apiVersion\":%q,\"protocol\":%q,\"targetPrefix\":%q,\n\"operations\":{\n",
		d.Metadata.ServiceID, signing, d.Metadata.APIVersion, d.Metadata.Protocol, d.Metadata.TargetPrefix)
	if err := lines(&b, d.Operations, operation.row); err != nil {
		return nil, err
	}
	b.WriteString("},\n\"shapes\":{\n")
	if err := lines(&b, d.reachable(), shape.row); err != nil {
		return nil, err
	}
	b.WriteString("}}\n")
	return b.Bytes(), nil
}

func lines[T any](b *bytes.Buffer, all map[string]T, row func(T) object) error {
	names := make([]string, 0, len(all))
	for name := range all {
		names = append(names, name)
	}
	sort.Strings(names)
	for i, name := range names {
		v, err := marshal(row(all[name]))
		if err != nil {
			return err
		}
		fmt.Fprintf(b, "%q:%s", name, v)
		if i < len(names)-1 {
			b.WriteByte(',')
		}
		b.WriteByte('\n')
	}
	return nil
}

// reachable returns the shapes some operation uses.
func (d *description) reachable() map[string]shape {
	used := map[string]shape{}
	var visit func(name string)
	visit = func(name string) {
		if _, seen := used[name]; seen || name == "" {
			return
		}
		s := d.Shapes[name]
		used[name] = s
		for _, m := range s.Members {
			visit(m.Shape)
		}
		visit(s.Member.Shape)
		visit(s.Key.Shape)
		visit(s.Value.Shape)
	}
	for _, op := range d.Operations {
		visit(op.Input.Shape)
		visit(op.Output.Shape)
		for _, e := range op.Errors {
			visit(e.Shape)
		}
	}
	return used
}

func (op operation) row() object {
	status := op.HTTP.ResponseCode
	if status == 0 {
		status = 200
	}
	var errs []string
	for _, e := range op.Errors {
		errs = append(errs, e.Shape)
	}
	sort.Strings(errs)
	var o object
	o.put("m", op.HTTP.Method, true)
	o.put("u", op.HTTP.RequestURI, true)
	o.put("s", status, true)
	o.put("i", op.Input.Shape, op.Input.Shape != "")
	o.put("o", op.Output.Shape, op.Output.Shape != "")
	o.put("e", errs, len(errs) > 0)
	return o
}

func (s shape) row() object {
	typ := s.Type
	switch {
	case s.Document:
		typ = "document"
	case s.Union:
		typ = "union"
	}
	status := s.Error.Status
	if s.Exception && status == 0 {
		status = 400
		if s.Fault {
			status = 500
		}
	}
	var o object
	o.put("t", typ, true)
	if s.Type == "structure" && len(s.Members) > 0 {
		var rows []object
		for _, m := range s.Members {
			var r object
			r.put("n", m.Name, true)
			r.put("s", m.Shape, true)
			r.put("in", m.Location, m.Location != "")
			r.put("w", m.LocationName, m.LocationName != "" && m.LocationName != m.Name)
			r.put("r", true, slices.Contains(s.Required, m.Name))
			r.put("tok", true, m.IdempotencyToken)
			r.put("f", m.TimestampFormat, m.TimestampFormat != "")
			rows = append(rows, r)
		}
		o.put("m", rows, true)
	}
	o.put("p", s.Payload, s.Payload != "")
	o.put("l", s.Member.Shape, s.Member.Shape != "")
	o.put("k", s.Key.Shape, s.Key.Shape != "")
	o.put("v", s.Value.Shape, s.Value.Shape != "")
	o.put("min", s.Min, s.Min != nil)
	o.put("max", s.Max, s.Max != nil)
	o.put("re", s.Pattern, s.Pattern != "")
	o.put("enum", s.Enum, len(s.Enum) > 0)
	o.put("secret", true, s.Sensitive)
	o.put("stream", true, s.Streaming)
	o.put("events", true, s.EventStream)
	o.put("f", s.TimestampFormat, s.TimestampFormat != "")
	o.put("err", status, s.Exception)
	o.put("fault", true, s.Fault)
	return o
}
