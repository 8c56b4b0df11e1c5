package main

import "testing"

func TestWhatIsRecordedIsChosenByName(t *testing.T) {
	for _, test := range []struct{ given, want string }{
		{"logs,traces,metrics", "logs,traces,metrics"},
		{"metrics,logs,metrics", "metrics,logs"},
		{"traces", "traces"},
		{"none", "none"},
		{"", ""},
		{"logs,none", ""},
		{"Logs", ""},
		{"logs,", ""},
	} {
		v := recordValue{"logs"}
		err := v.Set(test.given)
		if test.want == "" {
			if err == nil {
				t.Errorf("--record %q is taken, as %s", test.given, v.String())
			}
			continue
		}
		if err != nil || v.String() != test.want {
			t.Errorf("--record %q is %s (%v), want %s", test.given, v.String(), err, test.want)
		}
	}
}
