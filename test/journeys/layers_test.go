package journeys

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"github.com/wick-run/wick/internal/testkit/wickserver"
)

// Layers that have been deleted, a server that is killed, unpacked folders that a machine's
// restart makes worthless: the function has its layers all the same.
func TestAFunctionKeepsItsLayersOverDeletionAndAKill(t *testing.T) {
	dir := t.TempDir()
	s := startIn(t, dir)
	c := s.client()
	var arns []string
	for _, file := range []string{"one", "two"} {
		out, err := c.PublishLayerVersion(t.Context(), &lambda.PublishLayerVersionInput{
			LayerName: &file, Content: &types.LayerVersionContentInput{ZipFile: zipped(t, map[string]string{
				file: "from " + file, "both": file,
			})},
		})
		if err != nil {
			t.Fatal(err)
		}
		arns = append(arns, *out.LayerVersionArn)
	}
	if _, err := c.CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: aws.String("layered"), Role: aws.String("arn:aws:iam::000000000000:role/r"),
		Runtime: types.RuntimePython312, Handler: aws.String("app.handler"), Layers: arns, Timeout: aws.Int32(60),
		Code: &types.FunctionCode{ZipFile: zipped(t, map[string]string{
			"app.py": "def handler(e, c): return ' '.join(open('/opt/' + f).read() for f in ('one', 'two', 'both'))",
		})},
	}); err != nil {
		t.Fatal(err)
	}
	invoke := func(c *lambda.Client) {
		t.Helper()
		err := lambda.NewFunctionActiveV2Waiter(c, func(o *lambda.FunctionActiveV2WaiterOptions) {
			o.MinDelay, o.MaxDelay = 10*time.Millisecond, 100*time.Millisecond
		}).Wait(t.Context(), &lambda.GetFunctionInput{FunctionName: aws.String("layered")}, wickserver.Patience)
		if err != nil {
			t.Fatal(err)
		}
		out, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("layered")})
		if err != nil || string(out.Payload) != `"from one from two two"` {
			t.Fatalf("%s, %v", out.Payload, err)
		}
	}
	invoke(c)
	for _, name := range []string{"one", "two"} {
		if _, err := c.DeleteLayerVersion(t.Context(), &lambda.DeleteLayerVersionInput{LayerName: &name, VersionNumber: aws.Int64(1)}); err != nil {
			t.Fatal(err)
		}
	}
	s.kill(t)
	// Without the note of the machine's run that they are of, folders aren't trusted.
	notes, err := filepath.Glob(filepath.Join(dir, "code", "trees", "*.boot"))
	if err != nil || len(notes) != 4 { // code, two layers, and those merged
		t.Fatalf("folders: %v, %v", notes, err)
	}
	for _, note := range notes {
		if err := os.Remove(note); err != nil {
			t.Fatal(err)
		}
	}
	invoke(startIn(t, dir).client())
}
