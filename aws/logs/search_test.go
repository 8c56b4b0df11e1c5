package logs

import (
	"encoding/json"
	"errors"
	"testing"
	"time"

	"github.com/wick-run/wick/logs"
)

func TestASearchWhoseTimeIsOverGoesOnBehindWhatItLookedAt(t *testing.T) {
	looked := time.UnixMilli(5000)
	s := &search{ends: time.Now().Add(-time.Second), at: logs.Position{Millis: 4000, Stream: "a", Seq: 7}}
	if err := s.progress(looked); !errors.Is(err, errEnough) {
		t.Fatal(err)
	}
	for p, behind := range map[logs.Position]bool{{Millis: 4999, Stream: "z", Seq: 1 << 60}: false, {Millis: 5000, Stream: "", Seq: 0}: true} {
		if (p.Compare(s.at) > 0) != behind {
			t.Errorf("it goes on at %+v, which is wrong for %+v", s.at, p)
		}
	}
	text, err := json.Marshal(searchToken{s.at.Millis, s.at.Stream, s.at.Seq, false})
	if err != nil {
		t.Fatal(err)
	}
	var back searchToken
	if err := json.Unmarshal(text, &back); err != nil || back.Stream != s.at.Stream || back.Seq != s.at.Seq {
		t.Errorf("the token is %s", text)
	}
	// What was looked at before a page began is no progress: the search goes on.
	before := s.at
	if err := s.progress(time.UnixMilli(4000)); err != nil || s.at != before {
		t.Errorf("%v, at %+v", err, s.at)
	}
	s = &search{ends: time.Now().Add(time.Hour)}
	if err := s.progress(looked); err != nil {
		t.Error(err)
	}
}
