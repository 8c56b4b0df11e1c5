package lambda

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/wick-run/wick/aws/models"
	"github.com/wick-run/wick/internal/testkit/oracle"
)

// The oracle is a set of recordings of the real service. They aren't in the
// repository: the replay looks for them beside it, or at WICK_ORACLE. The rules they
// teach are also in the tests of package control and in api_test.go.

// recording is one test against the real service: what it answered, step by step.
type recording struct {
	Content map[string]map[string]any
}

// readOracle returns the recordings of the Lambda API, or skips the test without them.
func readOracle(t *testing.T) map[string]recording {
	entries, skip, err := oracle.Read("test_lambda_api.json")
	if err != nil {
		t.Fatal(err)
	}
	if skip != "" {
		t.Skip(skip)
	}
	// Some steps are plain numbers; those of entries that are replayed are objects.
	recordings := make(map[string]recording, len(entries))
	for entry, r := range entries {
		content := map[string]map[string]any{}
		for step, answer := range r.Content {
			var members map[string]any
			if json.Unmarshal(answer, &members) == nil {
				content[step] = members
			}
		}
		recordings[entry] = recording{content}
	}
	return recordings
}

// replay drives one recorded test's calls through the SDK.
type replay struct {
	*harness
	t        *testing.T
	recorded map[string]map[string]any
	compare  *comparer
	seen     map[string]bool
}

// step makes a call and compares what came back with the recorded step.
func (r *replay) step(name string, call func() error) {
	r.t.Helper()
	recorded, ok := r.recorded[name]
	if !ok {
		r.t.Fatalf("no step %s is recorded", name)
	}
	r.seen[name] = true
	err := call()
	r.compare.answer(recorded, r.wire.answer())
	for _, p := range r.compare.Problems {
		r.t.Errorf("%s: %s", name, p)
	}
	if len(r.compare.Problems) > 0 && err != nil {
		r.t.Logf("%s: the SDK says %v", name, err)
	}
	r.compare.Problems = nil
}

func TestReplayOfTheRealService(t *testing.T) {
	recordings := readOracle(t)
	known := map[string]bool{}
	for _, entry := range slices.Sorted(maps.Keys(recordings)) {
		known[entry] = true
		script, reason := scriptOf(entry), reasonOf(entry)
		switch {
		case script == nil && reason == "":
			t.Errorf("%s is neither replayed nor has it a reason why not", entry)
		case script != nil && reason != "":
			t.Errorf("%s is replayed, and has a reason why not: %s", entry, reason)
		case script != nil:
			t.Run(entry, func(t *testing.T) {
				r := &replay{
					harness: newHarness(t, nil), t: t, recorded: recordings[entry].Content,
					compare: newComparer(), seen: map[string]bool{},
				}
				script(r)
				for step := range r.recorded {
					if !r.seen[step] {
						t.Errorf("step %s was not replayed", step)
					}
				}
			})
		}
	}
	for entry := range scripts {
		if !known[entry] {
			t.Errorf("%s is to be replayed and isn't recorded", entry)
		}
	}
}

// scriptOf returns how an entry is replayed, or nil.
func scriptOf(entry string) func(*replay) {
	if s := scripts[entry]; s != nil {
		return s
	}
	inside, ok := strings.CutPrefix(entry, "TestLambdaFunction::test_function_name_and_qualifier_validation[")
	if !ok {
		return nil
	}
	name, operation, _ := strings.Cut(strings.TrimSuffix(inside, "]"), "-")
	c, ok := nameCases[name]
	if !ok || operation == "create_function" && c.create == "" {
		return nil
	}
	return func(r *replay) { r.names(operation, c) }
}

// names replays one operation with a name and a qualifier.
func (r *replay) names(operation string, c nameCase) {
	var qualifier *string
	if c.qualifier != "" {
		qualifier = &c.qualifier
	}
	r.step(operation[:strings.IndexByte(operation+"_", '_')]+exceptionSuffix(operation), func() error {
		var err error
		switch operation {
		case "get_function":
			_, err = r.client.GetFunction(r.ctx, &lambda.GetFunctionInput{FunctionName: &c.name, Qualifier: qualifier})
		case "delete_function":
			_, err = r.client.DeleteFunction(r.ctx, &lambda.DeleteFunctionInput{FunctionName: &c.name, Qualifier: qualifier})
		case "invoke":
			_, err = r.client.Invoke(r.ctx, &lambda.InvokeInput{FunctionName: &c.name, Qualifier: qualifier})
		case "create_function":
			_, err = r.client.CreateFunction(r.ctx, r.createInput(c.create, nil))
		default:
			r.t.Fatalf("no operation %s", operation)
		}
		return err
	})
}

func exceptionSuffix(operation string) string {
	if operation == "invoke" {
		return "_exception"
	}
	return "_function_exception"
}

func TestTheListOfRuntimesIsTheModelsRoomsToo(t *testing.T) {
	h := newHarness(t, nil)
	_, err := h.client.CreateFunction(h.ctx, h.createInput("f", func(in *lambda.CreateFunctionInput) { in.Runtime = "x" }))
	if want := "[" + strings.Join(models.RuntimesInUse, ", ") + "]"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("control's list differs from that of aws/models: %v", err)
	}
}
