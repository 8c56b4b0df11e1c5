package protocol

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/aws/models"
)

// jsonServer serves a few operations of CloudWatch Logs beside Lambda's.
func jsonServer() *Server {
	logs := NewService(models.Logs())
	Handle(logs, "DescribeLogGroups", func(_ context.Context, in *cloudwatchlogs.DescribeLogGroupsInput) (*cloudwatchlogs.DescribeLogGroupsOutput, error) {
		return &cloudwatchlogs.DescribeLogGroupsOutput{LogGroups: []types.LogGroup{{LogGroupName: in.LogGroupNamePrefix, StoredBytes: aws.Int64(0)}}}, nil
	})
	Handle(logs, "CreateLogGroup", func(context.Context, *cloudwatchlogs.CreateLogGroupInput) (*cloudwatchlogs.CreateLogGroupOutput, error) {
		return nil, nil
	})
	Handle(logs, "DeleteLogGroup", func(_ context.Context, in *cloudwatchlogs.DeleteLogGroupInput) (*cloudwatchlogs.DeleteLogGroupOutput, error) {
		switch *in.LogGroupName {
		case "kind":
			return nil, wick.Errorf(wick.NotFound, "not there")
		case "invalid":
			return nil, wick.Errorf(wick.InvalidParameter, "wrong")
		case "sdk":
			return nil, &types.InvalidSequenceTokenException{Message: aws.String("wrong"), ExpectedSequenceToken: aws.String("49")}
		case "panic":
			panic("a bug")
		}
		return nil, wick.Errorf(wick.Unavailable, "shutting down")
	})
	api := NewService(models.Lambda())
	Handle(api, "ListFunctions", func(context.Context, *lambda.ListFunctionsInput) (*lambda.ListFunctionsOutput, error) {
		return nil, nil
	})
	return NewServer(Options{Services: []*Service{api, logs}})
}

func TestAWSJSON(t *testing.T) {
	s := jsonServer()
	for name, tt := range map[string]struct {
		method, target, typ, auth, body string
		status                          int
		want                            string // the body
	}{
		"an answer":          {target: "Logs_20140328.DescribeLogGroups", body: `{"logGroupNamePrefix":"a","unknown":{}}`, status: 200, want: `{"logGroups":[{"logGroupName":"a","storedBytes":0}]}`},
		"an empty body":      {target: "Logs_20140328.DescribeLogGroups", status: 200, want: `{"logGroups":[{"storedBytes":0}]}`},
		"an empty answer":    {target: "Logs_20140328.CreateLogGroup", body: `{"logGroupName":"a"}`, status: 200},
		"signed":             {target: "Logs_20140328.CreateLogGroup", auth: auth("logs"), body: `{"logGroupName":"a"}`, status: 200},
		"a constraint":       {target: "Logs_20140328.CreateLogGroup", body: `{}`, status: 400, want: `{"__type":"InvalidParameterException","message":"1 validation error detected: Value null at 'logGroupName' failed to satisfy constraint: Member must not be null"}`},
		"no JSON":            {target: "Logs_20140328.CreateLogGroup", body: `{`, status: 400, want: `{"__type":"SerializationException","message":"Could not parse request body into json"}`},
		"a wrong type":       {target: "Logs_20140328.CreateLogGroup", body: `{"logGroupName":1}`, status: 400, want: `{"__type":"SerializationException","message":"NUMBER_VALUE can not be converted to a String"}`},
		"a kind":             {target: "Logs_20140328.DeleteLogGroup", body: `{"logGroupName":"kind"}`, status: 400, want: `{"__type":"ResourceNotFoundException","message":"not there"}`},
		"the service's code": {target: "Logs_20140328.DeleteLogGroup", body: `{"logGroupName":"invalid"}`, status: 400, want: `{"__type":"InvalidParameterException","message":"wrong"}`},
		"an SDK's error":     {target: "Logs_20140328.DeleteLogGroup", body: `{"logGroupName":"sdk"}`, status: 400, want: `{"__type":"InvalidSequenceTokenException","expectedSequenceToken":"49","message":"wrong"}`},
		"unavailable":        {target: "Logs_20140328.DeleteLogGroup", body: `{"logGroupName":"x"}`, status: 503, want: `{"__type":"ServiceUnavailableException","message":"shutting down"}`},
		"a panic":            {target: "Logs_20140328.DeleteLogGroup", body: `{"logGroupName":"panic"}`, status: 500, want: `{"__type":"ServiceUnavailableException","message":"Wick ran into an error of its own`},
		"not built":          {target: "Logs_20140328.StartLiveTail", body: `{}`, status: 501, want: `{"__type":"NotImplementedException","message":"Wick doesn't serve CloudWatch Logs's StartLiveTail yet"}`},
		"no such operation":  {target: "Logs_20140328.Nothing", auth: auth("logs"), status: 400, want: `{"__type":"UnknownOperationException","message":"POST with X-Amz-Target \"Logs_20140328.Nothing\" is not an operation of CloudWatch Logs."}`},
		"another's target":   {target: "Other.CreateLogGroup", auth: auth("logs"), status: 400, want: `{"__type":"UnknownOperationException"`},
		"not a POST":         {method: "GET", target: "Logs_20140328.CreateLogGroup", status: 400, want: `{"__type":"UnknownOperationException"`},
		"too large":          {target: "Logs_20140328.CreateLogGroup", body: `{"logGroupName":"` + strings.Repeat("x", 7<<20) + `"}`, status: 413, want: `{"__type":"RequestEntityTooLargeException"`},
		"no target":          {auth: auth("logs"), typ: "application/json", status: 400, want: `{"message":"POST with X-Amz-Target \"\" is not an operation of CloudWatch Logs."}`},
	} {
		t.Run(name, func(t *testing.T) {
			if tt.method == "" {
				tt.method = http.MethodPost
			}
			if tt.typ == "" {
				tt.typ = "application/x-amz-json-1.1"
			}
			r := httptest.NewRequest(tt.method, "/", strings.NewReader(tt.body))
			r.Header.Set("Content-Type", tt.typ)
			if tt.target != "" {
				r.Header.Set("X-Amz-Target", tt.target)
			}
			if tt.auth != "" {
				r.Header.Set("Authorization", tt.auth)
			}
			w := httptest.NewRecorder()
			s.ServeHTTP(w, r)
			body := w.Body.String()
			if w.Code != tt.status || !strings.HasPrefix(body, tt.want) || tt.want == "" && body != "" {
				t.Errorf("%d %s\nwant %d %s", w.Code, body, tt.status, tt.want)
			}
			if body == "" {
				return
			}
			if got := w.Header().Get("Content-Type"); got != tt.typ {
				t.Errorf("the answer is %s", got)
			}
			if !json.Valid([]byte(body)) {
				t.Errorf("the answer isn't JSON: %s", body)
			}
		})
	}
}
