package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestTheCommittedTableIsWhatTheDescriptionSays(t *testing.T) {
	const description = "../../../../shared/spec/models/lambda.json"
	if _, err := os.Stat(description); err != nil {
		t.Skipf("botocore's description of Lambda is missing (%v); the committed table stands", err)
	}
	out := filepath.Join(t.TempDir(), "lambda.json")
	if err := run(description, "lambda-extra.json", out); err != nil {
		t.Fatal(err)
	}
	made, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	committed, err := os.ReadFile("../lambda.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(made, committed) {
		t.Error("aws/models/lambda.json is stale: run go generate ./aws/models")
	}
}

func TestAMissingDescriptionSaysWhereToGetIt(t *testing.T) {
	err := run(filepath.Join(t.TempDir(), "none.json"), "", "")
	if err == nil || !bytes.Contains([]byte(err.Error()), []byte("botocore")) {
		t.Errorf("got %v", err)
	}
}

func TestShapesKeepTheirOrderConstraintsAndPlaces(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.json"), filepath.Join(dir, "out.json")
	err := os.WriteFile(in, []byte(`{"metadata":{"serviceId":"S","endpointPrefix":"s","apiVersion":"v","protocol":"rest-json"},
		"operations":{"Op":{"http":{"method":"PUT","requestUri":"/{B}"},"input":{"shape":"In"},"errors":[{"shape":"E"}]}},
		"shapes":{"In":{"type":"structure","required":["B"],"payload":"A","members":{"B":{"shape":"Str","location":"uri","locationName":"b"},"A":{"shape":"Blob"},
			"T":{"shape":"Time","location":"header","locationName":"x-t","timestampFormat":"iso8601"}}},
		"Str":{"type":"string","min":1,"max":2,"pattern":"<a&b>","sensitive":true},"Blob":{"type":"blob","streaming":true},"Time":{"type":"timestamp"},
		"E":{"type":"structure","members":{},"exception":true,"fault":true},"Unused":{"type":"string"}}}`), 0o600)
	if err != nil {
		t.Fatal(err)
	}
	if err := run(in, "", out); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"id":"S","signingName":"s","apiVersion":"v","protocol":"rest-json","targetPrefix":"",
"operations":{
"Op":{"m":"PUT","u":"/{B}","s":200,"i":"In","e":["E"]}
},
"shapes":{
"Blob":{"t":"blob","stream":true},
"E":{"t":"structure","err":500,"fault":true},
"In":{"t":"structure","m":[{"n":"B","s":"Str","in":"uri","w":"b","r":true},{"n":"A","s":"Blob"},{"n":"T","s":"Time","in":"header","w":"x-t","f":"iso8601"}],"p":"A"},
"Str":{"t":"string","min":1,"max":2,"re":"<a&b>","secret":true},
"Time":{"t":"timestamp"}
}}
`
	if string(got) != want {
		t.Errorf("got\n%s", got)
	}
}
