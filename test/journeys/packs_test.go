package journeys

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/wick-run/wick/internal/testkit/wickserver"
)

// compiling is a function whose package and layer are worth being compiled ahead. It
// answers with what it finds out about itself, Packed among it: which of its modules came
// from a pack.
type compiling struct {
	runtime types.Runtime
	handler string
	files   map[string]string // VALUE in them is what changes with an update
	layer   map[string]string
}

type compiled struct {
	Packed []bool // of the package, of the layer
	Value  string
	Rest   any // the same with a pack and without
}

// many is text with %d in it, many times.
func many(count int, text string) string {
	var b strings.Builder
	for n := range count {
		fmt.Fprintf(&b, text, n)
	}
	return b.String()
}

var compilingFunctions = map[string]compiling{
	"python": {
		runtime: types.RuntimePython312, handler: "app.handler",
		files: map[string]string{
			"app.py": `import errno, os, sys, traceback
import big, below
value = "VALUE"
def packed(module):
    try:
        return module.__loader__.get_data(module.__cached__)[4:8] == b"\x01\0\0\0"
    except OSError:
        return False
def refused(path, flags):
    try:
        os.close(os.open(path, flags, 0o644))
    except OSError as err:
        return errno.errorcode[err.errno]
def failure(module):
    try:
        module.fail()
    except ZeroDivisionError:
        return traceback.format_exc()
def handler(event, context):
    packs = os.path.dirname(sys.modules["wick_runtime"].__file__) + "/packs/"
    rest = [sorted(os.listdir("/var/task")), sorted(os.listdir("/opt/python")), [os.path.exists(m.__cached__) for m in (big, below)],
            big.__cached__, failure(big), failure(below)]
    writes = [refused(packs + slot + "/" + name, os.O_WRONLY | os.O_CREAT) for slot in ("task", "opt") for name in ("pack", "other")]
    if not set(writes) <= {"EROFS", "EACCES", "EPERM"}:
        raise AssertionError(writes)
    return {"Packed": [packed(big), packed(below)], "Value": value, "Rest": rest}
`,
			"big.py": many(800, "def f%[1]d(a, b):\n    return a * %[1]d + b\n") + "def fail():\n    return 1 / 0\n",
		},
		layer: map[string]string{"python/below.py": many(800, "def f%[1]d(a, b):\n    return a - %[1]d + b\n") + "def fail():\n    return 1 / 0\n"},
	},
	"node": {
		runtime: types.RuntimeNodejs20x, handler: "index.handler",
		files: map[string]string{
			"index.js": `const fs = require("fs"), path = require("path"), below = require("below");
const value = "VALUE";
const fail = () => { throw new RangeError("here") };
const packed = (file) => Object.getOwnPropertyDescriptor(require.cache[file], "_compile") !== undefined;
const refused = (file) => { try { fs.closeSync(fs.openSync(file, "a")) } catch (err) { return err.code } };
const stackOf = (f) => { try { f() } catch (err) { return err.stack } };
const top = new Error("top").stack;
exports.handler = async () => {
  const packs = "/var/runtime/wick/packs/";
  const writes = ["task/pack", "task/other", "opt/pack", "opt/other"].map((name) => refused(packs + name));
  if (!writes.every((code) => ["EROFS", "EACCES", "EPERM"].includes(code))) throw new Error(JSON.stringify(writes));
  return { Packed: [packed(__filename), packed(require.resolve("below"))], Value: value,
    Rest: [fs.readdirSync("/var/task").sort(), fs.readdirSync("/opt/nodejs"), top, stackOf(fail), stackOf(below.fail), Object.keys(require.cache), module.children.length] };
};
` + many(3000, "exports.f%[1]d = function (a, b) { return a * %[1]d + b };\n"),
		},
		layer: map[string]string{
			"nodejs/node_modules/below/index.js": "exports.fail = () => { null.member };\n" + many(3000, "exports.f%[1]d = function (a, b) { return a - %[1]d + b };\n"),
		},
	},
}

func (k compiling) zip(t *testing.T, value string) []byte {
	t.Helper()
	files := maps.Clone(k.files)
	for name, text := range files {
		files[name] = strings.ReplaceAll(text, "VALUE", value)
	}
	return zipped(t, files)
}

// Functions' packages and layers are compiled in the background; what comes of it is used,
// changes nothing, can't be changed, and isn't missed when it is broken.
func TestPackagesAreCompiledAhead(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("without root there are no walls, and nothing is compiled ahead")
	}
	for name, k := range compilingFunctions {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(t.TempDir(), "data")
			s := startIn(t, dir)
			shas := k.create(t, s.client())
			packs := awaitPacks(t, dir, time.Time{}, shas...)
			first := invokeCompiled(t, s.client())
			first.expect(t, "one", true)

			// Another package, another pack; the layer's stays.
			out, err := s.client().UpdateFunctionCode(t.Context(), &lambda.UpdateFunctionCodeInput{
				FunctionName: aws.String("f"), ZipFile: k.zip(t, "two"),
			})
			if err != nil {
				t.Fatal(err)
			}
			packs = append(packs, awaitPacks(t, dir, time.Time{}, hexOf(t, out.CodeSha256))...)
			second := invokeCompiled(t, s.client())
			second.expect(t, "two", true)
			second.same(t, first)

			s.stop(t)
			for _, pack := range packs {
				breakPack(t, pack)
			}
			broken := time.Now()
			s = startIn(t, dir)
			third := invokeCompiled(t, s.client())
			third.expect(t, "two", false)
			third.same(t, first)
			awaitPacks(t, dir, broken, hexOf(t, out.CodeSha256), shas[1])
			if _, err := s.client().UpdateFunctionConfiguration(t.Context(), &lambda.UpdateFunctionConfigurationInput{
				FunctionName: aws.String("f"), MemorySize: aws.Int32(1536),
			}); err != nil {
				t.Fatal(err)
			}
			invokeCompiled(t, s.client()).expect(t, "two", true)
		})
	}
}

// create creates a function named f and returns the hashes of its package and its layer.
func (k compiling) create(t *testing.T, c *lambda.Client) []string {
	t.Helper()
	layer, err := c.PublishLayerVersion(t.Context(), &lambda.PublishLayerVersionInput{
		LayerName: aws.String("below"), Content: &types.LayerVersionContentInput{ZipFile: zipped(t, k.layer)},
	})
	if err != nil {
		t.Fatal(err)
	}
	f, err := c.CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: aws.String("f"), Role: aws.String("arn:aws:iam::000000000000:role/r"), Timeout: aws.Int32(60),
		Runtime: k.runtime, Handler: &k.handler, Layers: []string{*layer.LayerVersionArn}, Code: &types.FunctionCode{ZipFile: k.zip(t, "one")},
	})
	if err != nil {
		t.Fatal(err)
	}
	return []string{hexOf(t, f.CodeSha256), hexOf(t, layer.Content.CodeSha256)}
}

func hexOf(t *testing.T, sha *string) string {
	t.Helper()
	sum, err := base64.StdEncoding.DecodeString(*sha)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(sum)
}

// awaitPacks returns the packs of packages, when each has one that was made since then.
func awaitPacks(t *testing.T, dataDir string, since time.Time, shas ...string) []string {
	t.Helper()
	var packs []string
	deadline := time.Now().Add(3 * wickserver.Patience) // with half a CPU, and one after the other
	for _, sha := range shas {
		for {
			sums, err := filepath.Glob(filepath.Join(dataDir, "runtimes", "packs", sha+"-*.sum"))
			if err != nil {
				t.Fatal(err)
			}
			if len(sums) == 1 {
				if info, err := os.Stat(sums[0]); err == nil && info.ModTime().After(since) {
					packs = append(packs, filepath.Join(strings.TrimSuffix(sums[0], ".sum"), "pack"))
					break
				}
			}
			if time.Now().After(deadline) {
				t.Fatalf("no pack of %s was made: %v", sha, sums)
			}
			time.Sleep(20 * time.Millisecond) // a file appears, and nobody tells
		}
	}
	return packs
}

// breakPack changes bytes in the middle, where code is.
func breakPack(t *testing.T, pack string) {
	t.Helper()
	data, err := os.ReadFile(pack) //nolint:gosec // of this test
	if err != nil {
		t.Fatal(err)
	}
	copy(data[len(data)/2:], bytes.Repeat([]byte{0xA5}, 64))
	if err := os.WriteFile(pack, data, 0o644); err != nil { //nolint:gosec // as it was
		t.Fatal(err)
	}
}

func invokeCompiled(t *testing.T, c *lambda.Client) compiled {
	t.Helper()
	awaitUpdated(t, c)
	out, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("f")})
	if err != nil {
		t.Fatal(err)
	}
	var answer compiled
	if err := json.Unmarshal(out.Payload, &answer); err != nil || out.FunctionError != nil {
		t.Fatalf("%s (%v)", out.Payload, err)
	}
	return answer
}

func awaitUpdated(t *testing.T, c *lambda.Client) {
	t.Helper()
	f := &lambda.GetFunctionInput{FunctionName: aws.String("f")}
	err := lambda.NewFunctionActiveV2Waiter(c, func(o *lambda.FunctionActiveV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, 100*time.Millisecond
	}).Wait(t.Context(), f, wickserver.Patience)
	if err == nil {
		err = lambda.NewFunctionUpdatedV2Waiter(c, func(o *lambda.FunctionUpdatedV2WaiterOptions) {
			o.MinDelay, o.MaxDelay = 10*time.Millisecond, 100*time.Millisecond
		}).Wait(t.Context(), f, wickserver.Patience)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (a compiled) expect(t *testing.T, value string, packed bool) {
	t.Helper()
	if a.Value != value || len(a.Packed) != 2 || a.Packed[0] != packed || a.Packed[1] != packed {
		t.Errorf("it is %s, and from packs: %v; want %s, %t", a.Value, a.Packed, value, packed)
	}
}

func (a compiled) same(t *testing.T, as compiled) {
	t.Helper()
	one, _ := json.Marshal(a.Rest) // it was JSON
	other, _ := json.Marshal(as.Rest)
	if !bytes.Equal(one, other) {
		t.Errorf("it sees\n%s\nand saw\n%s", one, other)
	}
}
