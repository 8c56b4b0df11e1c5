package protocol

import (
	"bytes"
	"compress/gzip"
	"context"
	hexadecimal "encoding/hex"
	"encoding/json"
	"math"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch"
	"github.com/aws/aws-sdk-go-v2/service/cloudwatch/types"
	"github.com/aws/smithy-go/encoding/cbor"

	"github.com/wick-run/wick"
	"github.com/wick-run/wick/aws/models"
)

// metricsServer serves a few operations of CloudWatch. GetMetricStatistics answers what
// has every kind of value; PutMetricData notes what it got.
func metricsServer(got **cloudwatch.PutMetricDataInput) *Server {
	s := NewService(models.CloudWatch())
	Handle(s, "PutMetricData", func(_ context.Context, in *cloudwatch.PutMetricDataInput) (*cloudwatch.PutMetricDataOutput, error) {
		*got = in
		return nil, nil
	})
	Handle(s, "GetMetricStatistics", func(context.Context, *cloudwatch.GetMetricStatisticsInput) (*cloudwatch.GetMetricStatisticsOutput, error) {
		return &cloudwatch.GetMetricStatisticsOutput{Label: aws.String("<a&b>"), Datapoints: []types.Datapoint{{
			Timestamp: aws.Time(time.UnixMilli(1_777_636_800_500).UTC()), Sum: aws.Float64(2), Average: aws.Float64(0.5), Unit: types.StandardUnitCount,
			ExtendedStatistics: map[string]float64{"p99": 3, "p50": 1.5},
		}}}, nil
	})
	Handle(s, "ListMetrics", func(_ context.Context, in *cloudwatch.ListMetricsInput) (*cloudwatch.ListMetricsOutput, error) {
		switch aws.ToString(in.Namespace) {
		case "sdk":
			return nil, &types.InvalidParameterValueException{Message: aws.String("a <bad> value")}
		case "busy":
			return nil, wick.Errorf(wick.TooManyRequests, "Rate exceeded")
		case "panic":
			panic("a bug")
		}
		return nil, nil
	})
	return NewServer(Options{Services: []*Service{NewService(models.Logs()), s}})
}

// cborOf makes a map of names and values.
func cborOf(pairs ...any) cbor.Map {
	m := cbor.Map{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i].(string)] = pairs[i+1].(cbor.Value)
	}
	return m
}

const statisticsForm = "Action=GetMetricStatistics&Version=2010-08-01&Namespace=N&MetricName=M&Period=60&StartTime=2026-05-01T12:00:00Z&EndTime=2026-05-01T13:00:00Z"

func TestAFormIsAnsweredInXML(t *testing.T) {
	for name, tt := range map[string]struct {
		method, target, body, auth string
		status                     int
		want                       string
	}{
		"every kind of value": {body: statisticsForm, status: 200, want: `<GetMetricStatisticsResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><GetMetricStatisticsResult>` +
			`<Label>&lt;a&amp;b&gt;</Label><Datapoints><member><Timestamp>2026-05-01T12:00:00.5Z</Timestamp><Average>0.5</Average><Sum>2.0</Sum><Unit>Count</Unit>` +
			`<ExtendedStatistics><entry><key>p50</key><value>1.5</value></entry><entry><key>p99</key><value>3.0</value></entry></ExtendedStatistics>` +
			`</member></Datapoints></GetMetricStatisticsResult><ResponseMetadata><RequestId>ID</RequestId></ResponseMetadata></GetMetricStatisticsResponse>`},
		"in the URL":     {method: "GET", target: "/?Action=ListMetrics&Version=2010-08-01", status: 200, want: `<ListMetricsResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><ListMetricsResult></ListMetricsResult><ResponseMetadata><RequestId>ID</RequestId></ResponseMetadata></ListMetricsResponse>`},
		"no result":      {body: "Action=PutMetricData&Version=2010-08-01&Namespace=N", auth: auth("monitoring"), status: 200, want: `<PutMetricDataResponse xmlns="http://monitoring.amazonaws.com/doc/2010-08-01/"><ResponseMetadata><RequestId>ID</RequestId></ResponseMetadata></PutMetricDataResponse>`},
		"a constraint":   {body: "Action=PutMetricData&Version=2010-08-01", status: 400, want: `<ErrorResponse><Error><Type>Sender</Type><Code>ValidationError</Code><Message>1 validation error detected: Value null at &#39;namespace&#39; failed to satisfy constraint: Member must not be null</Message></Error><RequestId>ID</RequestId></ErrorResponse>`},
		"a wrong number": {body: strings.Replace(statisticsForm, "Period=60", "Period=x", 1), status: 400, want: `<ErrorResponse><Error><Type>Sender</Type><Code>MalformedInput</Code><Message>STRING_VALUE can not be converted to an Integer</Message></Error><RequestId>ID</RequestId></ErrorResponse>`},
		"an SDK's error": {body: "Action=ListMetrics&Version=2010-08-01&Namespace=sdk", status: 400, want: `<ErrorResponse><Error><Type>Sender</Type><Code>InvalidParameterValue</Code><Message>a &lt;bad&gt; value</Message></Error><RequestId>ID</RequestId></ErrorResponse>`},
		"too many":       {body: "Action=ListMetrics&Version=2010-08-01&Namespace=busy", status: 400, want: `<ErrorResponse><Error><Type>Sender</Type><Code>Throttling</Code><Message>Rate exceeded</Message></Error><RequestId>ID</RequestId></ErrorResponse>`},
		"a panic":        {body: "Action=ListMetrics&Version=2010-08-01&Namespace=panic", status: 500, want: `<ErrorResponse><Error><Type>Receiver</Type><Code>InternalServiceError</Code><Message>Wick ran into an error of its own; its log has the details under request id ID.</Message></Error><RequestId>ID</RequestId></ErrorResponse>`},
		"not built":      {body: "Action=PutMetricAlarm&Version=2010-08-01", status: 501, want: `<ErrorResponse><Error><Type>Receiver</Type><Code>NotImplementedException</Code><Message>Wick doesn&#39;t serve CloudWatch&#39;s PutMetricAlarm yet</Message></Error><RequestId>ID</RequestId></ErrorResponse>`},
		"no such action": {body: "Action=Nothing&Version=2010-08-01", status: 400, want: `<ErrorResponse><Error><Type>Sender</Type><Code>InvalidAction</Code><Message>POST / with the operation &#34;Nothing&#34; is not one of CloudWatch.</Message></Error><RequestId>ID</RequestId></ErrorResponse>`},
		"a broken form":  {body: "Action=ListMetrics&Version=%", auth: auth("monitoring"), status: 400, want: `<ErrorResponse><Error><Type>Sender</Type><Code>MalformedInput</Code><Message>The form can&#39;t be read: invalid URL escape &#34;%&#34;</Message></Error><RequestId>ID</RequestId></ErrorResponse>`},
		"too large":      {body: "Action=PutMetricData&Version=2010-08-01&Namespace=" + strings.Repeat("x", maxQueryBody), auth: auth("monitoring"), status: 413, want: `<ErrorResponse><Error><Type>Sender</Type><Code>RequestEntityTooLarge</Code><Message>Request must be smaller than 1048576 bytes</Message></Error><RequestId>ID</RequestId></ErrorResponse>`},
		"too deep":       {body: "Action=PutMetricData&Version=2010-08-01&Namespace=N&" + strings.Repeat("a.", 40) + "=1", status: 400, want: `<ErrorResponse><Error><Type>Sender</Type><Code>MalformedInput</Code><Message>The parameter ` + strings.Repeat("a.", 32) + `… is nested too deeply</Message></Error><RequestId>ID</RequestId></ErrorResponse>`},
	} {
		t.Run(name, func(t *testing.T) {
			var got *cloudwatch.PutMetricDataInput
			method, target := "POST", "/"
			if tt.method != "" {
				method, target = tt.method, tt.target
			}
			r := httptest.NewRequest(method, target, strings.NewReader(tt.body))
			if method == "POST" {
				r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
			}
			if tt.auth != "" {
				r.Header.Set("Authorization", tt.auth)
			}
			w := httptest.NewRecorder()
			metricsServer(&got).ServeHTTP(w, r)
			body := strings.ReplaceAll(w.Body.String(), w.Header().Get("X-Amzn-Requestid"), "ID")
			if w.Code != tt.status || body != tt.want || w.Header().Get("Content-Type") != "text/xml" {
				t.Errorf("%d %s %s\nwant %d %s", w.Code, w.Header().Get("Content-Type"), body, tt.status, tt.want)
			}
		})
	}
}

// theDatum is the same input in the three protocols.
var theDatum = &cloudwatch.PutMetricDataInput{Namespace: aws.String("N"), MetricData: []types.MetricDatum{{
	MetricName: aws.String("M"), Timestamp: aws.Time(time.Unix(1_777_636_800, 0).UTC()), Unit: types.StandardUnitSeconds, StorageResolution: aws.Int32(1),
	Dimensions: []types.Dimension{{Name: aws.String("a"), Value: aws.String("ü=&")}, {Name: aws.String("b"), Value: aws.String("2")}},
	Values:     []float64{1, -2.5, 1e20}, Counts: []float64{1, 2, 3},
}, {MetricName: aws.String("second"), Value: aws.Float64(0.5)}}}

func TestTheSameInputInThreeProtocols(t *testing.T) {
	form := url.Values{
		"Action": {"PutMetricData"}, "Version": {"2010-08-01"}, "Namespace": {"N"},
		"MetricData.member.1.MetricName": {"M"}, "MetricData.member.1.Timestamp": {"2026-05-01T12:00:00.000Z"},
		"MetricData.member.1.Unit": {"Seconds"}, "MetricData.member.1.StorageResolution": {"1"},
		"MetricData.member.1.Dimensions.member.1.Name": {"a"}, "MetricData.member.1.Dimensions.member.1.Value": {"ü=&"},
		"MetricData.member.1.Dimensions.member.2.Name": {"b"}, "MetricData.member.1.Dimensions.member.2.Value": {"2"},
		"MetricData.member.1.Values.member.1": {"1"}, "MetricData.member.1.Values.member.2": {"-2.5"}, "MetricData.member.1.Values.member.10": {"1e20"},
		"MetricData.member.1.Counts.member.1": {"1"}, "MetricData.member.1.Counts.member.2": {"2"}, "MetricData.member.1.Counts.member.3": {"3"},
		"MetricData.member.2.MetricName": {"second"}, "MetricData.member.2.Value": {"0.5"},
	}
	document := cborOf("Namespace", cbor.String("N"), "Unknown", cbor.List{cbor.Uint(1)}, "MetricData", cbor.List{
		cborOf("MetricName", cbor.String("M"), "Timestamp", &cbor.Tag{ID: 1, Value: cbor.Float64(1_777_636_800)}, "Unit", cbor.String("Seconds"),
			"StorageResolution", cbor.Uint(1), "Dimensions", cbor.List{
				cborOf("Name", cbor.String("a"), "Value", cbor.String("ü=&")), cborOf("Name", cbor.String("b"), "Value", cbor.String("2")),
			}, "Values", cbor.List{cbor.Uint(1), cbor.Float32(-2.5), cbor.Float64(1e20)}, "Counts", cbor.List{cbor.Uint(1), cbor.Uint(2), cbor.Float64(3)}),
		cborOf("MetricName", cbor.String("second"), "Value", cbor.Float64(0.5), "Unit", &cbor.Nil{}),
	})
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	if _, err := z.Write(cbor.Encode(document)); err != nil || z.Close() != nil {
		t.Fatal(err)
	}
	for name, request := range map[string]struct {
		path    string
		headers []string
		body    []byte
	}{
		"query": {"/", []string{"Content-Type", "application/x-www-form-urlencoded"}, []byte(form.Encode())},
		"json": {"/", []string{"X-Amz-Target", "GraniteServiceVersion20100801.PutMetricData"}, []byte(`{"Namespace":"N","MetricData":[{"MetricName":"M",
			"Timestamp":1777636800,"Unit":"Seconds","StorageResolution":1,"Dimensions":[{"Name":"a","Value":"ü=&"},{"Name":"b","Value":"2"}],
			"Values":[1,-2.5,1e20],"Counts":[1,2,3]},{"MetricName":"second","Value":0.5}]}`)},
		"cbor":          {"/service/GraniteServiceVersion20100801/operation/PutMetricData", []string{"Smithy-Protocol", "rpc-v2-cbor"}, cbor.Encode(document)},
		"cbor, zipped":  {"/service/GraniteServiceVersion20100801/operation/PutMetricData", []string{"Smithy-Protocol", "rpc-v2-cbor", "Content-Encoding", "gzip"}, zipped.Bytes()},
		"query, signed": {"/", []string{"Content-Type", "application/x-www-form-urlencoded", "Authorization", auth("monitoring")}, []byte(form.Encode())},
	} {
		var got *cloudwatch.PutMetricDataInput
		r := httptest.NewRequest("POST", request.path, bytes.NewReader(request.body))
		for i := 0; i < len(request.headers); i += 2 {
			r.Header.Set(request.headers[i], request.headers[i+1])
		}
		w := httptest.NewRecorder()
		metricsServer(&got).ServeHTTP(w, r)
		if w.Code != 200 || !reflect.DeepEqual(got, theDatum) {
			text, _ := json.Marshal(got)
			t.Errorf("%s: %d %s\n%s", name, w.Code, w.Body, text)
		}
	}
}

func TestCBORIsAnsweredInCBOR(t *testing.T) {
	for name, tt := range map[string]struct {
		operation string
		body      cbor.Value
		status    int
		query     string // the header
		want      cbor.Value
	}{
		"every kind of value": {"GetMetricStatistics", cborOf("Namespace", cbor.String("N"), "MetricName", cbor.String("M"), "Period", cbor.Uint(60),
			"StartTime", &cbor.Tag{ID: 1, Value: cbor.Uint(1)}, "EndTime", &cbor.Tag{ID: 1, Value: cbor.Float64(2.5)}), 200, "",
			cborOf("Label", cbor.String("<a&b>"), "Datapoints", cbor.List{cborOf(
				"Timestamp", &cbor.Tag{ID: 1, Value: cbor.Float64(1_777_636_800.5)}, "Average", cbor.Float64(0.5), "Sum", cbor.Float64(2), "Unit", cbor.String("Count"),
				"ExtendedStatistics", cborOf("p50", cbor.Float64(1.5), "p99", cbor.Float64(3)))})},
		"nothing to answer": {"PutMetricData", cborOf("Namespace", cbor.String("N")), 200, "", cbor.Map{}},
		"a constraint": {"PutMetricData", cbor.Map{}, 400, "ValidationError;Sender", cborOf("__type", cbor.String("ValidationException"),
			"message", cbor.String("1 validation error detected: Value null at 'namespace' failed to satisfy constraint: Member must not be null"))},
		"a wrong type": {"PutMetricData", cborOf("Namespace", cbor.Uint(1)), 400, "MalformedInput;Sender", cborOf("__type", cbor.String("SerializationException"),
			"message", cbor.String("NUMBER_VALUE can not be converted to a String"))},
		"an SDK's error": {"ListMetrics", cborOf("Namespace", cbor.String("sdk")), 400, "InvalidParameterValue;Sender", cborOf("__type", cbor.String("InvalidParameterValueException"),
			"message", cbor.String("a <bad> value"))},
		"no such operation": {"Nothing", cbor.Map{}, 400, "InvalidAction;Sender", cborOf("__type", cbor.String("UnknownOperationException"),
			"message", cbor.String(`POST /service/GraniteServiceVersion20100801/operation/Nothing with the operation "Nothing" is not one of CloudWatch.`))},
	} {
		var got *cloudwatch.PutMetricDataInput
		r := httptest.NewRequest("POST", "/service/GraniteServiceVersion20100801/operation/"+tt.operation, bytes.NewReader(cbor.Encode(tt.body)))
		r.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
		w := httptest.NewRecorder()
		metricsServer(&got).ServeHTTP(w, r)
		answer, err := cbor.Decode(w.Body.Bytes())
		if err != nil || w.Code != tt.status || !reflect.DeepEqual(answer, tt.want) || w.Header().Get("X-Amzn-Query-Error") != tt.query ||
			w.Header().Get("Smithy-Protocol") != "rpc-v2-cbor" || w.Header().Get("Content-Type") != "application/cbor" {
			t.Errorf("%s: %d %v %#v (%v)", name, w.Code, w.Header(), answer, err)
		}
	}
}

func TestCBORToJSON(t *testing.T) {
	for in, want := range map[string]string{
		"":                           "",
		"a0":                         "{}",
		"bf6161016162f4ff":           `{"a":1,"b":false}`,
		"9f01ff":                     "[1]",
		"20":                         "-1",
		"3bffffffffffffffff":         "-18446744073709551616",
		"1bffffffffffffffff":         "18446744073709551615",
		"f97e00":                     `"NaN"`,
		"f97c00":                     `"Infinity"`,
		"fbfff0000000000000":         `"-Infinity"`,
		"f93c00":                     "1",
		"f90001":                     "5.960464477539063e-08",
		"f9c400":                     "-4",
		"fa7f7fffff":                 "3.4028234663852886e+38",
		"c11a514b67b0":               "1363896240",
		"c1fb41d452d9ec200000":       "1.3638962405e+09",
		"43010203":                   `"AQID"`,
		"5f42010243030405ff":         `"AQIDBAU="`,
		"7f657374726561646d696e67ff": `"streaming"`,
		"f6":                         "null",
		"f7":                         "null",
		"62c328":                     "\"\ufffd(\"",
	} {
		b, err := hexadecimal.DecodeString(in)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := cborToJSON(b); err != nil || string(got) != want {
			t.Errorf("%s is %s (%v), want %s", in, got, err, want)
		}
	}
	for _, in := range []string{
		"a1", "a10101", "ff", "1c", "1f", "3f", "df01", "9f", "bf6161", "62ff", "5f01ff", "7f41ff", "7f7f", "f8ff", "fc", "0000",
		"9bffffffffffffffff", "bbffffffffffffffff", "5bffffffffffffffff", "fb00", strings.Repeat("81", 100) + "00",
	} {
		b, err := hexadecimal.DecodeString(in)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := cborToJSON(b); err == nil {
			t.Errorf("%s is taken for %s", in, got)
		}
	}
}

func FuzzCBOR(f *testing.F) {
	for _, in := range []string{"a0", "bf6161016162f4ff", "c1fb41d452d9ec200000", "5f42010243030405ff", "f97e00"} {
		b, err := hexadecimal.DecodeString(in)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(cbor.Encode(cborOf("Namespace", cbor.String("N"), "V", cbor.List{cbor.Float64(math.Pi), cbor.Bool(true), &cbor.Nil{}})))
	f.Fuzz(func(t *testing.T, b []byte) {
		text, err := cborToJSON(b)
		if err == nil && len(b) > 0 && !json.Valid(text) {
			t.Fatalf("%x became %s", b, text)
		}
	})
}

func FuzzQuery(f *testing.F) {
	f.Add("Namespace=N&MetricData.member.1.MetricName=M&MetricData.member.1.Values.member.2=1&MetricData.member.1.Dimensions.member.1.Name=a")
	f.Add("MetricData=&EntityMetricData.member.1.Entity.KeyAttributes.entry.1.key=k&EntityMetricData.member.1.Entity.KeyAttributes.entry.1.value=v")
	s := NewService(models.CloudWatch())
	Handle(s, "PutMetricData", func(context.Context, *cloudwatch.PutMetricDataInput) (*cloudwatch.PutMetricDataOutput, error) {
		return nil, nil
	})
	plan := newInputPlan(s.operations["PutMetricData"], reflect.TypeFor[cloudwatch.PutMetricDataInput]())
	f.Fuzz(func(t *testing.T, form string) {
		values, err := url.ParseQuery(form)
		if err != nil {
			return
		}
		text, err := queryToJSON(plan.codec, values)
		if err != nil {
			return
		}
		if !json.Valid(text) {
			t.Fatalf("%q became %s", form, text)
		}
		var broken violations
		d := decoder{data: text, broken: &broken}
		_ = d.document(plan.codec, reflect.ValueOf(new(cloudwatch.PutMetricDataInput)).Elem(), nil) // it must come to an end
	})
}
