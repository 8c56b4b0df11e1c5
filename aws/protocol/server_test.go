package protocol

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/lambda/types"
	"github.com/aws/smithy-go"
	"github.com/google/uuid"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/aws/models"
)

const scoped = "AWS4-HMAC-SHA256 Credential=111122223333/20261124/eu-north-1/%s/aws4_request, SignedHeaders=host, Signature=00"

func auth(service string) string { return strings.Replace(scoped, "%s", service, 1) }

// callOf returns a server whose GetFunction and Invoke hand over their Call.
func callOf(got *Call, o Options) *Server {
	svc := NewService(models.Lambda())
	Handle(svc, "GetFunction", func(ctx context.Context, _ *lambda.GetFunctionInput) (*lambda.GetFunctionOutput, error) {
		*got = *From(ctx)
		return nil, nil
	})
	svc.HandleRaw("Invoke", func(_ http.ResponseWriter, r *http.Request, call *Call) {
		if From(r.Context()) != call {
			panic("two calls")
		}
		*got = *call
	})
	o.Services = []*Service{svc}
	return NewServer(o)
}

func TestACallSaysWhoActsWhere(t *testing.T) {
	const arn = "arn:aws:lambda:ap-south-1:444455556666:function:f"
	for name, c := range map[string]struct {
		method, path    string
		auth            string
		o               Options
		account, region string
		key             string
	}{
		"unsigned":               {path: "f", account: wick.DefaultAccount, region: wick.DefaultRegion},
		"unsigned, own defaults": {path: "f", o: Options{DefaultAccount: "999999999999", DefaultRegion: "sa-east-1"}, account: "999999999999", region: "sa-east-1"},
		"unsigned, an ARN":       {path: arn, account: "444455556666", region: "ap-south-1"},
		"unsigned, encoded ARN":  {path: url.PathEscape(strings.ReplaceAll(arn, ":", "%3A")), account: wick.DefaultAccount, region: wick.DefaultRegion},
		"signed":                 {path: "f", auth: auth("lambda"), account: "111122223333", region: "eu-north-1", key: "111122223333"},
		"signed, an ARN":         {path: arn, auth: auth("lambda"), account: "111122223333", region: "eu-north-1", key: "111122223333"},
		"signed, a known key": {path: "f", auth: auth("lambda"), o: Options{AccountOf: func(k string) (string, bool) { return "777777777777", k == "111122223333" }},
			account: "777777777777", region: "eu-north-1", key: "111122223333"},
		"an ordinary key":   {path: "f", auth: strings.Replace(auth("lambda"), "111122223333", "test", 1), account: wick.DefaultAccount, region: "eu-north-1", key: "test"},
		"half a signature":  {path: "f", auth: "AWS4-HMAC-SHA256 Credential=test/20261124/us-west-2/lambda/aws4_request", account: wick.DefaultAccount, region: "us-west-2", key: "test"},
		"another scheme":    {path: "f", auth: "Bearer token", account: wick.DefaultAccount, region: wick.DefaultRegion},
		"a senseless scope": {path: "f", auth: "AWS4-HMAC-SHA256 Credential=test/x/Not a region!/lambda/aws4_request, SignedHeaders=host, Signature=0", account: wick.DefaultAccount, region: wick.DefaultRegion, key: "test"},
	} {
		t.Run(name, func(t *testing.T) {
			var call Call
			h := callOf(&call, c.o)
			header := []string{}
			if c.auth != "" {
				header = append(header, "Authorization", c.auth)
			}
			for _, method := range []string{"GET", "POST"} {
				call = Call{}
				path := "/2015-03-31/functions/" + c.path
				if method == "POST" {
					path += "/invocations"
				}
				got := do(t, h, method, path, "", header...)
				if name == "unsigned, encoded ARN" { // encoded twice: not a name
					if got.status != 400 {
						t.Errorf("%s: got %d", method, got.status)
					}
					continue
				}
				if got.status != 200 || call.Account != c.account || call.Region != c.region || call.Identity.AccessKeyID != c.key {
					t.Errorf("%s: %d %s, call %+v", method, got.status, got.body, call)
				}
				if _, err := uuid.Parse(call.RequestID); err != nil || got.header.Get("X-Amzn-RequestId") != call.RequestID {
					t.Errorf("%s: request id %q, header %q", method, call.RequestID, got.header.Get("X-Amzn-RequestId"))
				}
				if call.Identity.Verified || call.ReceivedAt.IsZero() {
					t.Errorf("%s: call %+v", method, call)
				}
			}
		})
	}
}

func TestPathsLeadToTheirOperations(t *testing.T) {
	svc := NewService(models.Lambda())
	for _, c := range []struct{ method, path, operation, label string }{
		{"GET", "/2015-03-31/functions", "ListFunctions", ""},
		{"GET", "/2015-03-31/functions/", "ListFunctions", ""},
		{"POST", "/2015-03-31/functions/", "CreateFunction", ""},
		{"GET", "/2015-03-31/functions/f", "GetFunction", "f"},
		{"GET", "/2015-03-31/functions/f/", "GetFunction", "f"},
		{"GET", "/2015-03-31/functions/arn:aws:lambda:us-east-1:000000000000:function:f", "GetFunction", "arn:aws:lambda:us-east-1:000000000000:function:f"},
		{"GET", "/2015-03-31/functions/arn%3Aaws%3Alambda%3Aus-east-1%3A000000000000%3Afunction%3Af", "GetFunction", "arn:aws:lambda:us-east-1:000000000000:function:f"},
		{"GET", "/2015-03-31/functions/a%2Fb", "GetFunction", "a/b"},
		{"GET", "/2015-03-31/functions/%24LATEST", "GetFunction", "$LATEST"},
		{"POST", "/2015-03-31/functions/invocations/invocations", "Invoke", "invocations"},
		{"POST", "/2014-11-13/functions/f/invoke-async", "InvokeAsync", "f"},
		{"POST", "/2014-11-13/functions/f/invoke-async/", "InvokeAsync", "f"},
		{"GET", "/2018-10-31/layers", "ListLayers", ""},
		{"GET", "/2018-10-31/layers?find=LayerVersion&Arn=x", "GetLayerVersionByArn", ""},
		{"GET", "/2018-10-31/layers?find=Else", "ListLayers", ""},
		{"GET", "/2019-09-30/functions/f/provisioned-concurrency", "GetProvisionedConcurrencyConfig", "f"},
		{"GET", "/2019-09-30/functions/f/provisioned-concurrency?List=ALL", "ListProvisionedConcurrencyConfigs", "f"},
		{"GET", "/2019-09-25/functions/f/event-invoke-config", "GetFunctionEventInvokeConfig", "f"},
		{"GET", "/2019-09-25/functions/f/event-invoke-config/list", "ListFunctionEventInvokeConfigs", "f"},
		{"GET", "/2025-12-01/durable-executions/arn%3Aaws%3A1%2Fdurable-execution%2Fa%2Fb/history", "GetDurableExecutionHistory", ""},
		{"PATCH", "/2015-03-31/functions", "", ""},
		{"GET", "/2015-03-31/functions//configuration", "", ""},
		{"GET", "/2015-03-31", "", ""},
		{"GET", "/", "", ""},
	} {
		r := httptest.NewRequest(c.method, c.path, nil)
		op, labels := svc.router.match(r)
		name := ""
		if op != nil {
			name = op.Name
		}
		if name != c.operation || c.label != "" && labels["FunctionName"] != c.label {
			t.Errorf("%s %s led to %s %v", c.method, c.path, name, labels)
		}
	}
}

// failing answers every GetFunction with an error.
func failing(err error) *Service {
	svc := NewService(models.Lambda())
	Handle(svc, "GetFunction", func(context.Context, *lambda.GetFunctionInput) (*lambda.GetFunctionOutput, error) { return nil, err })
	return svc
}

func TestErrorsHaveAWSsCodesStatusesAndBodies(t *testing.T) {
	for _, c := range []struct {
		err    error
		status int
		code   string
		body   string
	}{
		// Forms as recorded: ResourceNotFoundException has Message, InvalidParameterValueException message.
		{wick.Errorf(wick.NotFound, "Function not found: x"), 404, "ResourceNotFoundException", `{"Type":"User","Message":"Function not found: x"}`},
		{wick.Errorf(wick.Conflict, "Function already exist: x"), 409, "ResourceConflictException", `{"Type":"User","message":"Function already exist: x"}`},
		{wick.Errorf(wick.InvalidParameter, "m"), 400, "InvalidParameterValueException", `{"Type":"User","message":"m"}`},
		{wick.Errorf(wick.Validation, "m"), 400, "ValidationException", `{"message":"m"}`},
		{wick.Errorf(wick.PreconditionFailed, "m"), 412, "PreconditionFailedException", `{"Type":"User","message":"m"}`},
		{&wick.Error{Kind: wick.TooManyRequests, Message: "Rate Exceeded.", Reason: "ReservedFunctionConcurrentInvocationLimitExceeded", RetryAfterSeconds: 3}, 429, "TooManyRequestsException",
			`{"Reason":"ReservedFunctionConcurrentInvocationLimitExceeded","Type":"User","message":"Rate Exceeded."}`},
		{wick.Errorf(wick.RequestTooLarge, "m"), 413, "RequestEntityTooLargeException", `{"Type":"User","message":"m"}`},
		{wick.Errorf(wick.InvalidRequest, "m"), 400, "InvalidRequestContentException", `{"Type":"User","message":"m"}`},
		{wick.Errorf(wick.UnsupportedMediaType, "m"), 415, "UnsupportedMediaTypeException", `{"Type":"User","message":"m"}`},
		{wick.Errorf(wick.CodeStorageExceeded, "m"), 400, "CodeStorageExceededException", `{"Type":"User","message":"m"}`},
		{wick.Errorf(wick.InvalidZipFile, "m"), 502, "InvalidZipFileException", `{"Type":"Service","Message":"m"}`},
		{wick.Errorf(wick.InvalidRuntime, "m"), 502, "InvalidRuntimeException", `{"Type":"Service","Message":"m"}`},
		{wick.Errorf(wick.AccessDenied, "m"), 403, "AccessDeniedException", `{"Message":"m"}`},
		{wick.Errorf(wick.ResourceNotReady, "m"), 502, "ResourceNotReadyException", `{"Type":"Service","message":"m"}`},
		{wick.Errorf(wick.Unavailable, "m"), 503, "ServiceException", `{"Type":"Service","Message":"m"}`},
		{wick.Errorf(wick.NotBuilt, "m"), 501, "NotImplementedException", `{"message":"m"}`},
		{&wick.Error{Kind: wick.Internal, Message: "m", Cause: errors.New("secret path")}, 500, "ServiceException", `{"Type":"Service","Message":"m"}`},
		// The SDK's types go out as they are, also without a Type, as some of AWS's do.
		{&types.InvalidParameterValueException{Message: aws.String("m")}, 400, "InvalidParameterValueException", `{"message":"m"}`},
		{&types.EC2UnexpectedException{Message: aws.String("m"), Type: aws.String("Service"), EC2ErrorCode: aws.String("E")}, 502, "EC2UnexpectedException", `{"EC2ErrorCode":"E","Type":"Service","Message":"m"}`},
		{&types.ProvisionedConcurrencyConfigNotFoundException{Message: aws.String("m"), Type: aws.String("User")}, 404, "ProvisionedConcurrencyConfigNotFoundException", `{"Type":"User","message":"m"}`},
		{&smithy.GenericAPIError{Code: "Odd", Message: "m", Fault: smithy.FaultServer}, 500, "Odd", `{"message":"m"}`},
		{&smithy.GenericAPIError{Code: "Odd", Message: "quote \" and <\n", Fault: smithy.FaultClient}, 400, "Odd", `{"message":"quote \" and <\n"}`},
	} {
		h := NewServer(Options{Services: []*Service{failing(c.err)}})
		got := do(t, h, "GET", "/2015-03-31/functions/f", "")
		if got.status != c.status || got.header.Get("X-Amzn-ErrorType") != c.code || got.body != c.body {
			t.Errorf("%v: got %d %s %s", c.err, got.status, got.header.Get("X-Amzn-ErrorType"), got.body)
		}
		if got.header.Get("Content-Type") != "application/json" || got.header.Get("X-Amzn-RequestId") == "" {
			t.Errorf("%v: headers %v", c.err, got.header)
		}
		if c.status == 429 && got.header.Get("Retry-After") != "3" {
			t.Errorf("Retry-After is %q", got.header.Get("Retry-After"))
		}
	}
}

func TestAnErrorOfOurOwnIsLoggedAndKeptFromTheCaller(t *testing.T) {
	var log bytes.Buffer
	for name, svc := range map[string]*Service{"an error": failing(errors.New("disk /secret gone")), "a panic": panicking("disk /secret gone")} {
		log.Reset()
		h := NewServer(Options{Services: []*Service{svc}, Log: slog.New(slog.NewTextHandler(&log, nil))})
		got := do(t, h, "GET", "/2015-03-31/functions/f", "")
		id := got.header.Get("X-Amzn-RequestId")
		if got.status != 500 || strings.Contains(got.body, "secret") || !strings.Contains(got.body, id) {
			t.Errorf("%s: answered %d %s", name, got.status, got.body)
		}
		if n := strings.Count(log.String(), "level=ERROR"); n != 1 || !strings.Contains(log.String(), "disk /secret gone") || !strings.Contains(log.String(), id) {
			t.Errorf("%s: logged %s", name, log.String())
		}
	}
}

func panicking(v any) *Service {
	svc := NewService(models.Lambda())
	Handle(svc, "GetFunction", func(context.Context, *lambda.GetFunctionInput) (*lambda.GetFunctionOutput, error) { panic(v) })
	return svc
}

func TestAPanicHalfwayThroughAnAnswerCutsTheConnection(t *testing.T) {
	svc := NewService(models.Lambda())
	svc.HandleRaw("Invoke", func(w http.ResponseWriter, _ *http.Request, _ *Call) {
		w.WriteHeader(http.StatusOK)
		w.(http.Flusher).Flush()
		panic("halfway")
	})
	ts := httptest.NewServer(NewServer(Options{Services: []*Service{svc}}))
	defer ts.Close()
	resp, err := http.Post(ts.URL+"/2015-03-31/functions/f/invocations", "", nil)
	if err == nil {
		_, err = io.ReadAll(resp.Body)
		resp.Body.Close()
	}
	if err == nil {
		t.Error("the client took half an answer for a whole one")
	}
}

func TestWhatIsNotBuiltSaysSoOnceAndByName(t *testing.T) {
	svc := NewService(models.Lambda())
	requests := 0
	count := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests++
		NewServer(Options{Services: []*Service{svc}}).ServeHTTP(w, r)
	})
	ts := httptest.NewServer(count)
	defer ts.Close()
	c := lambda.New(lambda.Options{
		Region: "us-east-1", BaseEndpoint: &ts.URL, Credentials: credentials.NewStaticCredentialsProvider("k", "s", ""),
		Retryer: retry.NewStandard(func(o *retry.StandardOptions) { o.MaxBackoff = time.Millisecond }),
	})
	_, err := c.PublishVersion(context.Background(), &lambda.PublishVersionInput{FunctionName: aws.String("f")})
	var api smithy.APIError
	if !errors.As(err, &api) || api.ErrorCode() != "NotImplementedException" || !strings.Contains(api.ErrorMessage(), "Lambda's PublishVersion") {
		t.Errorf("got %v", err)
	}
	if requests != 1 {
		t.Errorf("the SDK tried %d times", requests)
	}
}

func TestAnUnknownPathIsAnUnknownOperation(t *testing.T) {
	h := NewServer(Options{Services: []*Service{permissive()}})
	for _, header := range [][]string{nil, {"Authorization", auth("lambda")}} {
		got := do(t, h, "GET", "/2015-03-31/nothing", "", header...)
		if got.status != 404 || got.header.Get("X-Amzn-ErrorType") != "UnknownOperationException" || !strings.Contains(got.body, "/2015-03-31/nothing") {
			t.Errorf("%v: got %+v", header, got)
		}
	}
}

func TestAServiceThatIsNotServedIsNamedInItsOwnForm(t *testing.T) {
	h := NewServer(Options{Services: []*Service{permissive()}})
	for _, c := range []struct {
		service     string
		header      []string
		contentType string
		body        string
	}{
		{"s3", nil, "application/xml", "<Error><Code>NotImplementedException</Code><Message>Wick doesn&#39;t serve s3; start it with --forward s3=URL to pass these requests on</Message>"},
		{"dynamodb", []string{"X-Amz-Target", "DynamoDB_20120810.ListTables", "Content-Type", "application/x-amz-json-1.0"}, "application/x-amz-json-1.0", `{"__type":"NotImplementedException","message":"Wick doesn't serve dynamodb; start it with --forward dynamodb=URL to pass these requests on"}`},
		{"iam", []string{"Content-Type", "application/x-www-form-urlencoded; charset=utf-8"}, "text/xml", "<ErrorResponse><Error><Type>Receiver</Type><Code>NotImplementedException</Code><Message>Wick doesn&#39;t serve iam;"},
		{"xray", nil, "application/json", `{"message":"Wick doesn't serve xray; start it with --forward xray=URL to pass these requests on"}`},
		{"monitoring", []string{"Smithy-Protocol", "rpc-v2-cbor"}, "application/cbor", "Wick doesn't serve monitoring;"},
	} {
		got := do(t, h, "POST", "/x", "", append(c.header, "Authorization", auth(c.service))...)
		if got.status != 501 || got.header.Get("Content-Type") != c.contentType || !strings.Contains(got.body, c.body) {
			t.Errorf("%s: got %d %s %s", c.service, got.status, got.header.Get("Content-Type"), got.body)
		}
	}
	// Unsigned, but with a target.
	got := do(t, h, "POST", "/", "", "X-Amz-Target", "Logs_20140328.DescribeLogGroups")
	if got.status != 501 || !strings.Contains(got.body, "--forward logs=URL") {
		t.Errorf("got %+v", got)
	}
}

func TestWicksOwnPathsAreAnsweredByWick(t *testing.T) {
	h := NewServer(Options{Local: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) }), Verify: true})
	if got := do(t, h, "GET", "/_wick/ps", ""); got.body != "/_wick/ps" {
		t.Errorf("got %+v", got)
	}
}

func TestABodyOverItsOperationsLimitIsRefusedAndItsSenderReadsWhy(t *testing.T) {
	svc := permissive()
	svc.operations["CreateFunction"].MaxBody = 1 << 20 // the real one is in package models' table
	t.Cleanup(func() { svc.operations["CreateFunction"].MaxBody = 70167211 })
	ts := httptest.NewServer(NewServer(Options{Services: []*Service{svc}}))
	defer ts.Close()
	const want = `{"Type":"User","message":"Request must be smaller than 1048576 bytes for the CreateFunction operation"}`
	big := strings.Repeat("x", 9<<20)
	for name, body := range map[string]io.Reader{"length known": strings.NewReader(big), "length unknown": io.MultiReader(strings.NewReader(big))} {
		for _, expect := range []string{"", "100-continue"} {
			if expect != "" && name == "length unknown" {
				continue // its sender can't be told before it sends
			}
			if s, ok := body.(io.Seeker); ok {
				_, _ = s.Seek(0, io.SeekStart)
			}
			r, err := http.NewRequest(http.MethodPost, ts.URL+"/2015-03-31/functions", body)
			if err != nil {
				t.Fatal(err)
			}
			if expect != "" {
				r.Header.Set("Expect", expect)
			}
			resp, err := ts.Client().Do(r)
			if err != nil {
				t.Fatalf("%s %s: %v", name, expect, err)
			}
			got, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if resp.StatusCode != http.StatusRequestEntityTooLarge || string(got) != want || resp.Header.Get("X-Amzn-ErrorType") != "RequestEntityTooLargeException" {
				t.Errorf("%s %s: got %d %s", name, expect, resp.StatusCode, got)
			}
		}
	}
}

// A client that is cut off while it sends sees a broken pipe instead of the reason.
func TestWhoeverIsRefusedWhileSendingReadsWhy(t *testing.T) {
	ts := httptest.NewServer(NewServer(Options{Services: []*Service{panicky()}}))
	defer ts.Close()
	big := strings.Repeat("x", 9<<20)
	for name, c := range map[string]struct {
		path, service string
		status        int
	}{
		"not built":  {"/2018-10-31/layers/l/versions", "lambda", 501},
		"not served": {"/bucket/key", "s3", 501},
		"no such":    {"/nothing", "lambda", 404},
		"a panic":    {"/2015-03-31/functions/f/invocations", "lambda", 500},
	} {
		r, err := http.NewRequest(http.MethodPost, ts.URL+c.path, strings.NewReader(big))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Authorization", auth(c.service))
		resp, err := ts.Client().Do(r)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		resp.Body.Close()
		if resp.StatusCode != c.status {
			t.Errorf("%s: got %d", name, resp.StatusCode)
		}
	}
}

func panicky() *Service {
	svc := NewService(models.Lambda())
	svc.HandleRaw("Invoke", func(http.ResponseWriter, *http.Request, *Call) { panic("at once") })
	return svc
}

func TestLimitsOfRequestsWithPackagesAreAWSs(t *testing.T) {
	for _, name := range []string{"CreateFunction", "UpdateFunctionCode", "PublishLayerVersion"} {
		if n := models.Lambda().Operations[name].MaxBody; n != 70167211 { // test_oversized_request_create_lambda
			t.Errorf("%s takes %d", name, n)
		}
	}
}

func TestBodiesArriveHoweverTheyAreEncoded(t *testing.T) {
	svc := NewService(models.Lambda())
	Handle(svc, "CreateFunction", func(_ context.Context, in *lambda.CreateFunctionInput) (*lambda.CreateFunctionOutput, error) {
		return &lambda.CreateFunctionOutput{Description: in.FunctionName}, nil
	})
	svc.HandleRaw("Invoke", func(w http.ResponseWriter, r *http.Request, _ *Call) { _, _ = io.Copy(w, r.Body) })
	ts := httptest.NewServer(NewServer(Options{Services: []*Service{svc}}))
	defer ts.Close()
	const doc = `{"FunctionName":"name",` + code + `}`
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	_, _ = io.WriteString(z, doc)
	_ = z.Close()
	chunked := "10;chunk-signature=abc\r\n" + doc[:16] + "\r\n" + "3\r\n" + doc[16:19] + "\r\n" + hex(len(doc)-19) + ";chunk-signature=d\r\n" + doc[19:] + "\r\n0;chunk-signature=e\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"
	length := "X-Amz-Decoded-Content-Length"
	for name, c := range map[string]struct {
		body   io.Reader
		header []string
	}{
		"plain":                       {strings.NewReader(doc), nil},
		"chunked":                     {io.MultiReader(strings.NewReader(doc)), nil},
		"expected":                    {strings.NewReader(doc), []string{"Expect", "100-continue"}},
		"gzip":                        {bytes.NewReader(zipped.Bytes()), []string{"Content-Encoding", "gzip"}},
		"aws-chunked":                 {strings.NewReader(chunked), []string{"Content-Encoding", "aws-chunked", length, itoa(len(doc))}},
		"aws-chunked, no length":      {strings.NewReader(chunked), []string{"Content-Encoding", "aws-chunked"}},
		"aws-chunked, no last line":   {strings.NewReader(strings.TrimSuffix(chunked, "\r\n")), []string{"Content-Encoding", "aws-chunked"}},
		"identity and nothing at all": {strings.NewReader(doc), []string{"Content-Encoding", "identity,"}},
	} {
		for _, path := range []string{"/2015-03-31/functions", "/2015-03-31/functions/f/invocations"} {
			if s, ok := c.body.(io.Seeker); ok {
				_, _ = s.Seek(0, io.SeekStart)
			} else {
				c.body = io.MultiReader(strings.NewReader(doc))
			}
			r, err := http.NewRequest(http.MethodPost, ts.URL+path, c.body)
			if err != nil {
				t.Fatal(err)
			}
			for i := 0; i < len(c.header); i += 2 {
				r.Header.Set(c.header[i], c.header[i+1])
			}
			resp, err := ts.Client().Do(r)
			if err != nil {
				t.Fatal(err)
			}
			got, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if strings.HasSuffix(path, "invocations") && string(got) != doc || strings.HasSuffix(path, "functions") && !strings.Contains(string(got), `"Description":"name"`) {
				t.Errorf("%s %s: got %d %s", name, path, resp.StatusCode, got)
			}
		}
	}
	h := NewServer(Options{Services: []*Service{svc}})
	for name, c := range map[string]struct {
		body, encoding, decoded string
	}{
		"gzip that isn't":          {"nonsense", "gzip", ""},
		"a chunk cut short":        {"10\r\nabc", "aws-chunked", ""},
		"a chunk without a size":   {"zz\r\nabc\r\n0\r\n\r\n", "aws-chunked", ""},
		"a negative chunk":         {"-1\r\nabc\r\n0\r\n\r\n", "aws-chunked", ""},
		"more than was said":       {"3\r\n{} \r\n0\r\n\r\n", "aws-chunked", "2"},
		"less than was said":       {"2\r\n{}\r\n0\r\n\r\n", "aws-chunked", "3"},
		"an encoding nobody knows": {"x", "br", ""},
	} {
		header := []string{"Content-Encoding", c.encoding}
		if c.decoded != "" {
			header = append(header, length, c.decoded)
		}
		if got := do(t, h, "POST", "/2015-03-31/functions", c.body, header...); got.status/100 != 4 {
			t.Errorf("%s: got %+v", name, got)
		}
	}
}

func hex(n int) string {
	const digits = "0123456789abcdef"
	if n < 16 {
		return digits[n : n+1]
	}
	return hex(n/16) + digits[n%16:n%16+1]
}

func itoa(n int) string {
	if n < 10 {
		return string(rune('0' + n))
	}
	return itoa(n/10) + string(rune('0'+n%10))
}
