package protocol

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"reflect"
	"regexp/syntax"
	"slices"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/wick-run/wick/aws/models"
)

// lambdaClient returns an SDK client of a server with one service.
func lambdaClient(t testing.TB, svc *Service, o Options) *lambda.Client {
	t.Helper()
	o.Services = []*Service{svc}
	if o.Log == nil {
		o.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	ts := httptest.NewServer(NewServer(o))
	t.Cleanup(ts.Close)
	return lambda.New(lambda.Options{
		Region: "eu-west-1", BaseEndpoint: &ts.URL, RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider("AKIDEXAMPLE", "secret", ""),
	})
}

// clientMethod returns the SDK client's method for an operation.
func clientMethod(t *testing.T, c *lambda.Client, name string) reflect.Value {
	t.Helper()
	m := reflect.ValueOf(c).MethodByName(name)
	if !m.IsValid() {
		t.Fatalf("the SDK has no %s", name)
	}
	return m
}

func callClient(m reflect.Value, in reflect.Value) (reflect.Value, error) {
	out := m.Call([]reflect.Value{reflect.ValueOf(context.Background()), in})
	err, _ := out[1].Interface().(error)
	return out[0], err
}

// raw are the operations whose adapters bypass the codec.
var raw = map[string]bool{"Invoke": true, "InvokeWithResponseStream": true}

func TestEveryOperationOfTheSDKIsInTheModel(t *testing.T) {
	typ := reflect.TypeFor[*lambda.Client]()
	n := 0
	for i := range typ.NumMethod() {
		if mt := typ.Method(i).Type; mt.NumIn() != 4 || mt.NumOut() != 2 {
			continue
		}
		n++
		if models.Lambda().Operations[typ.Method(i).Name] == nil {
			t.Errorf("%s is missing", typ.Method(i).Name)
		}
	}
	if n != len(models.Lambda().Operations) {
		t.Errorf("the SDK has %d operations, the model %d", n, len(models.Lambda().Operations))
	}
}

// Every member of every input and output must arrive: a random one is sent each
// way, filled as the constraints allow, and compared with what arrives.
func TestInputsAndOutputsOfEveryOperationArriveAsTheyWereSent(t *testing.T) {
	svc := NewService(models.Lambda())
	type exchange struct{ got, answer any }
	exchanges := map[string]*exchange{}
	c := lambdaClient(t, svc, Options{})
	for name := range svc.operations {
		if raw[name] {
			continue
		}
		x := &exchange{}
		exchanges[name] = x
		mt := clientMethod(t, c, name).Type()
		svc.handle(name, mt.In(1).Elem(), mt.Out(0).Elem(), func(_ context.Context, in any) (any, error) {
			drainReaders(in)
			x.got = in
			return x.answer, nil
		})
	}
	for name, x := range exchanges {
		t.Run(name, func(t *testing.T) {
			op := svc.operations[name]
			m := clientMethod(t, c, name)
			rounds := 8
			if testing.Short() {
				rounds = 2
			}
			for seed := range rounds {
				g := filler{Rand: rand.New(rand.NewPCG(uint64(seed), 7)), svc: svc, sparse: seed%2 == 1}
				in := reflect.New(m.Type().In(1).Elem())
				g.structure(op.Input, in.Elem(), 0)
				out := reflect.New(m.Type().Out(0).Elem())
				if op.Output != nil {
					g.sparse = seed%4 >= 2
					g.structure(op.Output, out.Elem(), 0)
				}
				x.answer = out.Interface()
				sent := render(in)
				answer, err := callClient(m, in)
				if err != nil {
					t.Fatalf("seed %d: %v\nsent %s", seed, err, sent)
				}
				if got := render(reflect.ValueOf(x.got)); got != sent {
					t.Fatalf("seed %d: sent\n%s\nthe handler got\n%s", seed, sent, got)
				}
				if got, want := render(answer), render(out); got != want {
					t.Fatalf("seed %d: answered\n%s\nthe client got\n%s", seed, want, got)
				}
			}
		})
	}
}

// drainReaders replaces a streamed payload with its bytes, while the request lasts.
func drainReaders(in any) {
	v := reflect.ValueOf(in).Elem()
	for i := range v.NumField() {
		if !v.Type().Field(i).IsExported() {
			continue
		}
		if r, ok := v.Field(i).Interface().(io.Reader); ok && r != nil {
			data, err := io.ReadAll(r)
			if err != nil {
				panic(err)
			}
			v.Field(i).Set(reflect.ValueOf(bytes.NewReader(data)))
		}
	}
}

// render prints a value with pointers followed and nil, empty and set told apart.
func render(v reflect.Value) string {
	switch v.Kind() {
	case reflect.Pointer:
		if v.IsNil() {
			return "nil"
		}
		return "&" + render(v.Elem())
	case reflect.Interface:
		if r, ok := v.Interface().(*bytes.Reader); ok {
			data := make([]byte, r.Size())
			_, _ = r.ReadAt(data, 0)
			return fmt.Sprintf("reader(%q)", data)
		}
		if v.IsNil() {
			return "nil"
		}
		return render(v.Elem())
	case reflect.Struct:
		if v.Type() == typeTime {
			return v.Interface().(time.Time).UTC().Format(time.RFC3339Nano)
		}
		var b strings.Builder
		b.WriteString("{")
		for i := range v.NumField() {
			f := v.Type().Field(i)
			if !f.IsExported() || f.Name == "ResultMetadata" {
				continue
			}
			if s := render(v.Field(i)); s != "nil" {
				fmt.Fprintf(&b, "%s:%s ", f.Name, s)
			}
		}
		return b.String() + "}"
	case reflect.Slice:
		if v.IsNil() {
			return "nil"
		}
		if v.Type() == typeBytes {
			return fmt.Sprintf("%x", v.Bytes())
		}
		parts := []string{}
		for i := range v.Len() {
			parts = append(parts, render(v.Index(i)))
		}
		return "[" + strings.Join(parts, ", ") + "]"
	case reflect.Map:
		if v.IsNil() {
			return "nil"
		}
		parts := []string{}
		for _, k := range sortedKeys(v) {
			parts = append(parts, fmt.Sprintf("%q=%s", k.String(), render(v.MapIndex(k))))
		}
		return "{" + strings.Join(parts, ", ") + "}"
	case reflect.String:
		return fmt.Sprintf("%q", v.String())
	}
	return fmt.Sprint(v.Interface())
}

// filler fills SDK structs with random values that satisfy the model.
type filler struct {
	*rand.Rand
	svc    *Service
	reach  int  // how often a pattern's element is repeated at most
	sparse bool // leave about half of what may be left out unset
}

func (g *filler) structure(s *models.Shape, v reflect.Value, depth int) {
	for _, m := range s.Members {
		f := v.FieldByName(strings.ToUpper(m.Name[:1]) + m.Name[1:])
		// A client makes up a token, sends {} for an unset payload structure, and a status is always there.
		always := m.IdempotencyToken || m.Location == models.Label || m.Location == models.StatusCode || m == s.Payload && m.Shape.Type == models.Structure
		if !m.Required && !always && (depth > 5 || g.sparse && g.IntN(2) == 0) {
			continue
		}
		if m.Location == models.StatusCode {
			f.SetInt([]int64{200, 201, 202}[g.IntN(3)])
			continue
		}
		g.value(m.Shape, f, depth+1, m.Location != models.Body)
	}
}

func (g *filler) value(s *models.Shape, v reflect.Value, depth int, outsideBody bool) {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch s.Type {
	case models.String:
		v.SetString(g.str(s, outsideBody))
	case models.Boolean:
		v.SetBool(g.IntN(2) == 0)
	case models.Integer, models.Long:
		lo, hi := bounds(s, 0, 1<<31-1)
		v.SetInt(lo + g.Int64N(hi-lo+1))
	case models.Double, models.Float:
		lo, hi := bounds(s, 0, 1000)
		v.SetFloat(float64(lo) + g.Float64()*float64(hi-lo))
	case models.Timestamp:
		t := time.UnixMilli(g.Int64N(16e9) * 125).UTC() // the client reads a float and cuts it: exact in binary
		if outsideBody {
			t = t.Truncate(time.Second) // what a query keeps is the client's affair
		}
		v.Set(reflect.ValueOf(t))
	case models.Blob:
		data := make([]byte, 1+g.IntN(64))
		for i := range data {
			data[i] = byte(g.Uint32())
		}
		if v.Kind() == reflect.Interface {
			v.Set(reflect.ValueOf(bytes.NewReader(data)))
		} else {
			v.SetBytes(data)
		}
	case models.List:
		lo, hi := bounds(s, 0, 3)
		n := int(lo + g.Int64N(min(hi-lo, 3)+1))
		if outsideBody {
			n = max(n, 1) // an empty list isn't there in a query
		}
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			g.value(s.Element, v.Index(i), depth+1, outsideBody)
		}
		if outsideBody { // a client sorts its query
			sort.Slice(v.Interface(), func(i, j int) bool { return v.Index(i).String() < v.Index(j).String() })
		}
	case models.Map:
		lo, hi := bounds(s, 0, 3)
		n := int(lo + g.Int64N(min(hi-lo, 3)+1))
		v.Set(reflect.MakeMap(v.Type()))
		for range n {
			e := reflect.New(v.Type().Elem()).Elem()
			g.value(s.Value, e, depth+1, false)
			v.SetMapIndex(reflect.ValueOf(g.str(s.Key, false)), e)
		}
	case models.Structure:
		g.structure(s, v, depth+1)
	default:
		panic(s.Type)
	}
}

func bounds(s *models.Shape, lo, hi int64) (int64, int64) {
	if s.Min.Set {
		lo = int64(s.Min.At)
	}
	if s.Max.Set {
		hi = int64(s.Max.At)
	}
	return lo, max(lo, hi)
}

// str makes a string that satisfies a shape: of its enum, or by walking its pattern.
func (g *filler) str(s *models.Shape, outsideBody bool) string {
	if len(s.Enum) > 0 {
		return s.Enum[g.IntN(len(s.Enum))]
	}
	lo, hi := bounds(s, 1, 40)
	if s.Pattern == "" {
		const letters = "abcXYZ019 -_.:/%+&=?#é\"\\\n\t€😀"
		chars := []rune(letters)
		if outsideBody {
			chars = []rune("abcXYZ019-_.:%+&=?#/") // what may be in a header as well
		}
		n := max(lo, 1) + g.Int64N(20)
		b := make([]rune, min(n, max(hi, 1)))
		for i := range b {
			b[i] = chars[g.IntN(len(chars))]
		}
		return string(b)
	}
	expr := s.Pattern
	if e, ok := lookarounds[s.Pattern]; ok {
		expr = e
	}
	if s.Pattern == collectionName {
		expr = `c[a-z]*`
	}
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		panic(err)
	}
	for try := range 1000 {
		g.reach = 8 + try // some have a least length
		var b strings.Builder
		g.pattern(&b, re)
		if v := b.String(); g.svc.rules.of(s).text(v) == nil && (!outsideBody || v != "") {
			return v
		}
	}
	panic("no string for " + s.Name + " " + s.Pattern)
}

func (g *filler) pattern(b *strings.Builder, re *syntax.Regexp) {
	repeat := func(lo, hi int) {
		if hi < 0 || hi > lo+g.reach {
			hi = lo + g.reach
		}
		for range lo + g.IntN(hi-lo+1) {
			g.pattern(b, re.Sub[0])
		}
	}
	switch re.Op {
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			b.WriteRune(r)
		}
	case syntax.OpCharClass:
		b.WriteRune(g.class(re.Rune))
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		b.WriteRune(rune('a' + g.IntN(26)))
	case syntax.OpCapture:
		g.pattern(b, re.Sub[0])
	case syntax.OpConcat:
		for _, s := range re.Sub {
			g.pattern(b, s)
		}
	case syntax.OpAlternate:
		g.pattern(b, re.Sub[g.IntN(len(re.Sub))])
	case syntax.OpStar:
		repeat(0, -1)
	case syntax.OpPlus:
		repeat(1, -1)
	case syntax.OpQuest:
		repeat(0, 1)
	case syntax.OpRepeat:
		repeat(re.Min, re.Max)
	}
}

// class picks a printable ASCII character of a class where it has one.
func (g *filler) class(ranges []rune) rune {
	var in []rune
	for r := rune('!'); r <= '~'; r++ {
		for i := 0; i < len(ranges); i += 2 {
			if ranges[i] <= r && r <= ranges[i+1] {
				in = append(in, r)
			}
		}
	}
	if len(in) == 0 {
		return ranges[0]
	}
	return in[g.IntN(len(in))]
}

func TestEachErrorOfEachOperationArrivesAsItsType(t *testing.T) {
	svc := NewService(models.Lambda())
	var answer error
	c := lambdaClient(t, svc, Options{})
	for name := range svc.operations {
		mt := clientMethod(t, c, name).Type()
		if raw[name] {
			svc.HandleRaw(name, func(w http.ResponseWriter, _ *http.Request, call *Call) { WriteError(w, call, answer) })
			continue
		}
		svc.handle(name, mt.In(1).Elem(), mt.Out(0).Elem(), func(context.Context, any) (any, error) { return nil, answer })
	}
	g := filler{Rand: rand.New(rand.NewPCG(1, 1)), svc: svc, sparse: true}
	for name, op := range svc.operations {
		m := clientMethod(t, c, name)
		in := reflect.New(m.Type().In(1).Elem())
		for _, s := range op.Errors {
			entry := lambda.TypeRegistry.Entries["com.amazonaws.lambda#"+s.Name]
			if entry == nil {
				t.Errorf("the SDK has no type for %s", s.Name)
				continue
			}
			sent := reflect.ValueOf(entry.New())
			for _, mem := range s.Members {
				f := sent.Elem().FieldByName(strings.ToUpper(mem.Name[:1]) + mem.Name[1:])
				if mem.Shape.Type == models.String {
					g.value(mem.Shape, f, 1, mem.Location == models.Header)
				}
			}
			answer = sent.Interface().(error)
			g.sparse = true
			in.Elem().SetZero()
			g.structure(op.Input, in.Elem(), 0)
			_, err := callClient(m, in)
			got := find(err, sent.Type())
			if got == nil {
				t.Errorf("%s: %s arrived as %v", name, s.Name, err)
				continue
			}
			if render(*got) != render(sent) {
				t.Errorf("%s: sent %s, got %s", name, render(sent), render(*got))
			}
			if !strings.Contains(err.Error(), fmt.Sprintf("StatusCode: %d", s.Status)) {
				t.Errorf("%s: %s has not status %d: %v", name, s.Name, s.Status, err)
			}
		}
	}
}

// find is errors.As for a type known only at run time.
func find(err error, want reflect.Type) *reflect.Value {
	for err != nil {
		if v := reflect.ValueOf(err); v.Type() == want {
			return &v
		}
		u, ok := err.(interface{ Unwrap() error })
		if !ok {
			return nil
		}
		err = u.Unwrap()
	}
	return nil
}

func TestEveryPatternOfTheModelCompiles(t *testing.T) {
	svc := NewService(models.Lambda())
	for name, s := range models.Lambda().Shapes {
		if s.Pattern == "" {
			continue
		}
		func() {
			defer func() {
				if p := recover(); p != nil {
					t.Errorf("%s: %v", name, p)
				}
			}()
			svc.rules.of(s).matches("x")
		}()
	}
	// A stale entry would go unnoticed otherwise.
	var used []string
	for _, s := range models.Lambda().Shapes {
		used = append(used, s.Pattern)
	}
	for p := range lookarounds {
		if !slices.Contains(used, p) {
			t.Errorf("the table has a pattern no shape has: %s", p)
		}
	}
}
