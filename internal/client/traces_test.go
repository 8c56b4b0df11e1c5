package client

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

func TestTracesAreListedOverAllPagesUpToTheLimit(t *testing.T) {
	var asked []map[string]any
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		var in map[string]any
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
			t.Error(err)
		}
		asked = append(asked, in)
		summary := `{"Id":"%d","StartTime":1780000000.5,"Duration":0.25,"HasFault":true,"EntryPoint":{"Name":"f"}}`
		next := ""
		if in["NextToken"] == nil {
			next = `,"NextToken":"more"`
		}
		fmt.Fprintf(w, `{"TraceSummaries":[`+summary+`,`+summary+`]`+next+`}`, 2*len(asked)-1, 2*len(asked))
	})
	list, err := c.Traces(t.Context(), TraceQuery{Since: time.Unix(1780000000, 0), Filter: "fault", Limit: 3})
	if err != nil || len(list) != 3 {
		t.Fatalf("%+v, %v", list, err)
	}
	if s := list[2]; s.ID != "3" || s.DurationMS != 250 || !s.Fault || s.Error || s.Entry != "f" || !s.Start.Equal(time.UnixMilli(1780000000500)) {
		t.Errorf("got %+v", s)
	}
	if len(asked) != 2 || asked[0]["FilterExpression"] != "fault" || asked[0]["StartTime"] != 1780000000.0 || asked[1]["NextToken"] != "more" {
		t.Errorf("asked %v", asked)
	}
}

func TestATraceHasItsDocumentsAndOneThatIsNotThereSaysSo(t *testing.T) {
	c := clientOf(t, func(w http.ResponseWriter, r *http.Request) {
		in, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		if strings.Contains(string(in), "none") {
			fmt.Fprint(w, `{"Traces":[],"UnprocessedTraceIds":["none"]}`)
			return
		}
		fmt.Fprint(w, `{"Traces":[{"Id":"t","Duration":1.5,"Segments":[{"Id":"s","Document":"{\"id\":\"s\"}"}]}]}`)
	})
	tr, err := c.Trace(t.Context(), "t")
	if err != nil || tr.DurationMS != 1500 || len(tr.Segments) != 1 || string(tr.Segments[0]) != `{"id":"s"}` {
		t.Errorf("got %+v, %v", tr, err)
	}
	if _, err := c.Trace(t.Context(), "none"); err == nil || !strings.Contains(err.Error(), "there is no trace none") {
		t.Errorf("the error is %v", err)
	}
}

// A server that answers before it has read the request is what a fast one looks like to
// the transport: the SDK takes the body away with the answer.
func TestALongAnswerArrivesWhollyHoweverQuick(t *testing.T) {
	document := strings.Repeat("x", 64<<10)
	c := clientOf(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"Traces":[{"Id":"t","Segments":[{"Id":"s","Document":%q}]}]}`, document)
	})
	for range 200 {
		tr, err := c.Trace(t.Context(), "t")
		if err != nil || len(tr.Segments[0]) != len(document) {
			t.Fatal(err)
		}
		c.http.CloseIdleConnections()
	}
}
