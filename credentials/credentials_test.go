package credentials

import (
	"errors"
	"path/filepath"
	"testing"
	"time"

	"github.com/wick-run/wick"
)

func TestATokenSpeaksForItsFunctionUntilItExpires(t *testing.T) {
	clock := time.Unix(1_700_000_000, 0)
	file := filepath.Join(t.TempDir(), "key")
	issuer, err := Open(file, func() time.Time { return clock })
	if err != nil {
		t.Fatal(err)
	}
	f := &wick.Function{
		FunctionID: wick.FunctionID{Account: "000000000000", Region: "eu-west-1", Name: "hello"},
		Role:       "arn:aws:iam::000000000000:role/r",
	}
	c, err := issuer.For(f, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if len(c.AccessKeyID) != 20 || len(c.SecretAccessKey) != 40 {
		t.Errorf("the key %q and secret %q are not as long as AWS's", c.AccessKeyID, c.SecretAccessKey)
	}

	again, err := Open(file, func() time.Time { return clock }) // a restart
	if err != nil {
		t.Fatal(err)
	}
	if s, ok := again.Secret(c.AccessKeyID); !ok || s != c.SecretAccessKey {
		t.Errorf("after a restart the secret is %q, want %q", s, c.SecretAccessKey)
	}
	id, err := again.Identify(c.AccessKeyID, c.SessionToken)
	if err != nil || id.Function != f.FunctionID || id.Role != f.Role {
		t.Errorf("Identify: %+v, %v", id, err)
	}
	clock = clock.Add(time.Hour)
	if _, err := again.Identify(c.AccessKeyID, c.SessionToken); !errors.Is(err, ErrExpired) {
		t.Errorf("an hour later: %v, want ErrExpired", err)
	}
}

func TestATokenOfAnotherKeyOrChangedIsRefused(t *testing.T) {
	now := time.Now
	a, _ := New(make([]byte, 32), now)
	other := make([]byte, 32)
	other[0] = 1
	b, _ := New(other, now)
	c, err := a.For(&wick.Function{FunctionID: wick.FunctionID{Name: "f"}}, time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for name, try := range map[string]func() (Identity, error){
		"another master key": func() (Identity, error) { return b.Identify(c.AccessKeyID, c.SessionToken) },
		"another access key": func() (Identity, error) { return a.Identify("ASIAAAAAAAAAAAAAAAAA", c.SessionToken) },
		"a changed claim":    func() (Identity, error) { return a.Identify(c.AccessKeyID, "e"+c.SessionToken) },
		"no signature":       func() (Identity, error) { return a.Identify(c.AccessKeyID, "abc") },
		"empty":              func() (Identity, error) { return a.Identify("", "") },
	} {
		if _, err := try(); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", name, err)
		}
	}
}
