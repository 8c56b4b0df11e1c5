package runtimes

import (
	"archive/zip"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/wick-run/wick/internal/testkit/wickserver"
)

// manualEndpointInjection replays functions that call another service by an SDK, which
// finds it by AWS_ENDPOINT_URL. AWS ships the SDKs with its runtimes; here they are in
// the package. The Python function calls SQS, as recorded; the JavaScript one calls
// Lambda, whose client is the one that make test installs.
func (r *replay) manualEndpointInjection() {
	var f function
	switch language(r.runtime) {
	case "python":
		f = function{handler: "handler.handler", code: sdkPackage(r.T, pythonSDK, "handler.py", `import boto3

sqs = boto3.client("sqs")

def handler(event, context):
    sqs.list_queues()
    return "ok"
`)}
	case "nodejs":
		f = function{handler: "index.handler", code: sdkPackage(r.T, nodeSDK, "index.mjs", `import {LambdaClient, ListFunctionsCommand} from "@aws-sdk/client-lambda";

const client = new LambdaClient({endpoint: process.env.AWS_ENDPOINT_URL});

export const handler = async () => {
  await client.send(new ListFunctionsCommand({}));
  return "ok";
};
`)}
	}
	r.callQueues(f)
}

// endpointInjectionByHand replays the same where no SDK of today runs any more: boto3
// needs Python 3.10. The function signs its request itself.
func (r *replay) endpointInjectionByHand() {
	r.callQueues(function{handler: "handler.handler", code: zipped(r.T, map[string]string{"handler.py": `import datetime, hashlib, hmac, os, urllib.request

def sign(key, text):
    return hmac.new(key, text.encode(), hashlib.sha256).digest()

def handler(event, context):
    endpoint, region = os.environ["AWS_ENDPOINT_URL"], os.environ["AWS_REGION"]
    now = datetime.datetime.utcnow().strftime("%Y%m%dT%H%M%SZ")
    headers = {
        "content-type": "application/x-amz-json-1.0", "host": endpoint.split("//")[1], "x-amz-date": now,
        "x-amz-security-token": os.environ["AWS_SESSION_TOKEN"], "x-amz-target": "AmazonSQS.ListQueues",
    }
    names = ";".join(sorted(headers))
    request = "\n".join(
        ["POST", "/", ""] + [n + ":" + headers[n] for n in sorted(headers)] + ["", names, hashlib.sha256(b"{}").hexdigest()])
    scope = "/".join([now[:8], region, "sqs", "aws4_request"])
    key = ("AWS4" + os.environ["AWS_SECRET_ACCESS_KEY"]).encode()
    for part in scope.split("/"):
        key = sign(key, part)
    text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(request.encode()).hexdigest()])
    headers["authorization"] = "AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%s" % (
        os.environ["AWS_ACCESS_KEY_ID"], scope, names, sign(key, text).hex())
    with urllib.request.urlopen(urllib.request.Request(endpoint, b"{}", headers)) as answer:
        return "ok" if answer.read() == b"{}" else "no"
`})})
}

// endpointInjectionInRuby is that in Ruby, endpointInjectionInJava in Java: their SDKs are
// no part of a plain installation either.
func (r *replay) endpointInjectionInRuby() {
	r.callQueues(function{handler: "function.handler", code: zipped(r.T, map[string]string{"function.rb": `require "net/http"
require "openssl"
require "time"

def handler(event:, context:)
  endpoint = URI(ENV["AWS_ENDPOINT_URL"] + "/")
  now = Time.now.utc.strftime("%Y%m%dT%H%M%SZ")
  headers = {
    "content-type" => "application/x-amz-json-1.0", "host" => "#{endpoint.host}:#{endpoint.port}", "x-amz-date" => now,
    "x-amz-security-token" => ENV["AWS_SESSION_TOKEN"], "x-amz-target" => "AmazonSQS.ListQueues"
  }
  names = headers.keys.sort.join(";")
  hash = ->(text) { OpenSSL::Digest::SHA256.hexdigest(text) }
  sign = ->(key, text) { OpenSSL::HMAC.digest("SHA256", key, text) }
  request = ["POST", "/", "", *headers.sort.map { |h| h.join(":") }, "", names, hash.("{}")].join("\n")
  scope = [now[0, 8], ENV["AWS_REGION"], "sqs", "aws4_request"]
  key = scope.inject("AWS4" + ENV["AWS_SECRET_ACCESS_KEY"], &sign)
  text = ["AWS4-HMAC-SHA256", now, scope.join("/"), hash.(request)].join("\n")
  headers["authorization"] = "AWS4-HMAC-SHA256 Credential=#{ENV["AWS_ACCESS_KEY_ID"]}/#{scope.join("/")}, " \
                             "SignedHeaders=#{names}, Signature=#{sign.(key, text).unpack1("H*")}"
  Net::HTTP.post(endpoint, "{}", headers).body == "{}" ? "ok" : "no"
end
`})})
}

func (r *replay) endpointInjectionInJava() { r.callQueues(javaFunction(r.T, "endpoint", nil)) }

func (r *replay) endpointInjectionInDotnet() { r.callQueues(dotnetFunction(r.T, "Endpoint", nil)) }

// callQueues invokes a function on a server that knows where SQS is.
func (r *replay) callQueues(f function) {
	r.server = serverWithQueues(r.T)
	f.timeout = 15
	r.create(f)
	if out := invoke(r.T, r.server.Client(), r.name, nil); out.FunctionError != nil || string(out.Payload) != `"ok"` {
		r.Errorf("answered %s", out.Payload)
	}
}

// queues is a service that has no queues, and knows only how to say so.
var queues = sync.OnceValue(func() *httptest.Server {
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Header.Get("X-Amz-Target") != "AmazonSQS.ListQueues" || !strings.Contains(q.Header.Get("Authorization"), "/us-east-1/sqs/aws4_request") {
			http.Error(w, "not a signed ListQueues", http.StatusBadRequest)
			return
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.0")
		_, _ = io.WriteString(w, "{}") // a caller that has gone needs no answer
	}))
})

func serverWithQueues(t *testing.T) *wickserver.Server {
	return server(t, "--forward", "sqs="+queues().URL)
}

// sdk is a client library below .cache, which scripts/install-tools clients fills.
type sdk struct {
	root  string              // a pattern of paths
	takes func(string) bool   // which files below it
	as    func(string) string // where in the package
}

var pythonSDK = sdk{
	root: "python/lib/python3*/site-packages",
	takes: func(path string) bool {
		top, rest, _ := strings.Cut(path, "/")
		if data, ok := strings.CutPrefix(path, "botocore/data/"); ok {
			return !strings.Contains(data, "/") || strings.HasPrefix(data, "sqs/")
		}
		switch top {
		case "boto3", "botocore", "urllib3", "dateutil", "jmespath", "s3transfer":
			return !strings.HasSuffix(rest, ".pyc")
		}
		return path == "six.py"
	},
	as: func(path string) string { return path },
}

var nodeSDK = sdk{
	root: "node/node_modules",
	takes: func(path string) bool {
		return strings.HasSuffix(path, ".js") || strings.HasSuffix(path, "package.json")
	},
	as: func(path string) string { return "node_modules/" + path },
}

// sdkPackages are the packages made so far, by the name of their source file.
var sdkPackages = struct {
	sync.Mutex
	made map[string][]byte
}{made: map[string][]byte{}}

// sdkPackage is a package of a source file and a client library.
func sdkPackage(t *testing.T, s sdk, name, source string) []byte {
	t.Helper()
	sdkPackages.Lock()
	defer sdkPackages.Unlock()
	if made := sdkPackages.made[name]; made != nil {
		return made
	}
	roots, err := filepath.Glob(filepath.Join("../../.cache", s.root))
	if err != nil {
		t.Fatal(err)
	}
	if len(roots) == 0 {
		if os.Getenv("CI") != "" {
			t.Fatalf("no .cache/%s: make test installs it", s.root)
		}
		t.Skipf("no .cache/%s: run scripts/install-tools clients, or make test", s.root)
	}
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	addFile(t, w, name, 0o644, []byte(source))
	err = filepath.WalkDir(roots[0], func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		inside, err := filepath.Rel(roots[0], path)
		if err != nil || !s.takes(filepath.ToSlash(inside)) {
			return err
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return fmt.Errorf("packing: %w", err)
		}
		addFile(t, w, s.as(filepath.ToSlash(inside)), 0o644, content)
		return nil
	})
	if err = errors.Join(err, w.Close()); err != nil {
		t.Fatal(err)
	}
	sdkPackages.made[name] = buf.Bytes()
	return buf.Bytes()
}
