package journeys

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
)

// create makes a Python function and waits until it is active.
func create(t *testing.T, c *lambda.Client, name, source string) {
	t.Helper()
	_, err := c.CreateFunction(t.Context(), &lambda.CreateFunctionInput{
		FunctionName: &name, Runtime: types.RuntimePython312, Handler: aws.String("app.handler"),
		Role:    aws.String("arn:aws:iam::000000000000:role/journey"),
		Timeout: aws.Int32(60),
		Code:    &types.FunctionCode{ZipFile: zipped(t, map[string]string{"app.py": source})},
	})
	if err != nil {
		t.Fatalf("CreateFunction %s: %v", name, err)
	}
	active(t, c, name)
}

// active waits until a function is Active and its last update done.
func active(t testing.TB, c *lambda.Client, name string) {
	t.Helper()
	in := &lambda.GetFunctionInput{FunctionName: &name}
	err := lambda.NewFunctionActiveV2Waiter(c).Wait(t.Context(), in, patience, func(o *lambda.FunctionActiveV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, time.Second
	})
	if err != nil {
		t.Fatalf("waiting for %s to be active: %v", name, err)
	}
	err = lambda.NewFunctionUpdatedV2Waiter(c).Wait(t.Context(), in, patience, func(o *lambda.FunctionUpdatedV2WaiterOptions) {
		o.MinDelay, o.MaxDelay = 10*time.Millisecond, time.Second
	})
	if err != nil {
		t.Fatalf("waiting for the update of %s: %v", name, err)
	}
}

// invoke invokes a function and fails the test when it can't be invoked; that the
// function fails is an answer.
func invoke(t *testing.T, c *lambda.Client, name, event string) *lambda.InvokeOutput {
	t.Helper()
	out, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: &name, Payload: []byte(event), LogType: types.LogTypeTail})
	if err != nil {
		t.Fatalf("Invoke %s: %v", name, err)
	}
	return out
}

// wantAnswer fails the test unless out is the answer want, compared as JSON.
func wantAnswer(t *testing.T, out *lambda.InvokeOutput, want string) {
	t.Helper()
	var got, wanted any
	if err := json.Unmarshal(out.Payload, &got); err != nil {
		t.Errorf("the answer %q is not JSON: %v", out.Payload, err)
		return
	}
	if err := json.Unmarshal([]byte(want), &wanted); err != nil {
		t.Fatal(err)
	}
	if out.FunctionError != nil || fmt.Sprint(got) != fmt.Sprint(wanted) {
		t.Errorf("the answer is %s (function error %q), want %s", out.Payload, aws.ToString(out.FunctionError), want)
	}
}

func tail(t *testing.T, out *lambda.InvokeOutput) string {
	t.Helper()
	log, err := base64.StdEncoding.DecodeString(aws.ToString(out.LogResult))
	if err != nil {
		t.Fatal(err)
	}
	return string(log)
}

func TestTheGoSDKSeesEveryOperation(t *testing.T) {
	s := start(t)
	c, ctx := s.client(), t.Context()
	name := aws.String("go-journey")

	settings, err := c.GetAccountSettings(ctx, &lambda.GetAccountSettingsInput{})
	if err != nil {
		t.Fatal(err)
	}
	if got := settings.AccountLimit.ConcurrentExecutions; got != 1000 {
		t.Errorf("ConcurrentExecutions is %d, want 1000", got)
	}

	create(t, c, *name, pythonSource("1"))
	out := invoke(t, c, *name, `{"n":1}`)
	wantAnswer(t, out, `{"edition":1,"event":{"n":1}}`)
	id, _ := middleware.GetRequestIDMetadata(out.ResultMetadata)
	for _, line := range []string{"START RequestId: " + id + " Version: $LATEST\n", "edition 1\n", "END RequestId: " + id + "\n", "REPORT RequestId: " + id + "\tDuration: "} {
		if !strings.Contains(tail(t, out), line) {
			t.Errorf("the log's tail has no %q:\n%s", line, tail(t, out))
		}
	}
	failed := invoke(t, c, *name, `{"fail":true}`)
	if aws.ToString(failed.FunctionError) != "Unhandled" || !strings.Contains(string(failed.Payload), `"errorType": "ValueError"`) {
		t.Errorf("a failing function answers %s with function error %q", failed.Payload, aws.ToString(failed.FunctionError))
	}
	dry, err := c.Invoke(ctx, &lambda.InvokeInput{FunctionName: name, InvocationType: types.InvocationTypeDryRun})
	if err != nil || dry.StatusCode != http.StatusNoContent {
		t.Errorf("DryRun answers %v, %v; want status 204", dry, err)
	}

	if _, err := c.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{FunctionName: name, MemorySize: aws.Int32(512)}); err != nil {
		t.Fatal(err)
	}
	active(t, c, *name)
	if _, err := c.UpdateFunctionCode(ctx, &lambda.UpdateFunctionCodeInput{FunctionName: name, ZipFile: zipped(t, map[string]string{"app.py": pythonSource("2")})}); err != nil {
		t.Fatal(err)
	}
	active(t, c, *name)
	out = invoke(t, c, *name, `{}`)
	wantAnswer(t, out, `{"edition":2,"event":{}}`)
	if !strings.Contains(tail(t, out), "\tMemory Size: 512 MB\t") {
		t.Errorf("REPORT doesn't know the new memory size:\n%s", tail(t, out))
	}

	create(t, c, "go-journey-2", pythonSource("1"))
	var names []string
	pages := lambda.NewListFunctionsPaginator(c, &lambda.ListFunctionsInput{MaxItems: aws.Int32(1)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range page.Functions {
			names = append(names, *f.FunctionName)
		}
	}
	if want := []string{"go-journey", "go-journey-2"}; !slices.Equal(names, want) {
		t.Errorf("ListFunctions lists %v, want %v", names, want)
	}

	if _, err := c.DeleteFunction(ctx, &lambda.DeleteFunctionInput{FunctionName: name}); err != nil {
		t.Fatal(err)
	}
	_, err = c.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: name})
	var missing *types.ResourceNotFoundException
	if !errors.As(err, &missing) {
		t.Errorf("GetFunctionConfiguration after DeleteFunction: %v, want ResourceNotFoundException", err)
	}
	var response *awshttp.ResponseError
	if errors.As(err, &response) && response.HTTPStatusCode() != http.StatusNotFound {
		t.Errorf("its status is %d, want 404", response.HTTPStatusCode())
	}
}

func TestEveryAnswerOfManyClientsBelongsToItsRequest(t *testing.T) {
	s := start(t)
	c := s.client()
	create(t, c, "echo", pythonSource("1"))
	var clients sync.WaitGroup
	for client := range 4 {
		clients.Go(func() {
			for i := range 25 {
				event := fmt.Sprintf(`{"client":%d,"i":%d}`, client, i)
				out, err := c.Invoke(t.Context(), &lambda.InvokeInput{FunctionName: aws.String("echo"), Payload: []byte(event)})
				if err != nil {
					t.Errorf("event %s: %v", event, err)
					return
				}
				wantAnswer(t, out, `{"edition":1,"event":`+event+`}`)
			}
		})
	}
	clients.Wait()
}
