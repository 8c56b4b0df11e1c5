// Package credentials issues the temporary credentials a function runs with and
// recognises them again. Nothing is stored: an access key's secret and the function
// a session token speaks for are derived from one master key, so they survive a
// restart and hold on every node that has the key.
//
// Package instance puts them into a function's environment; the signature check of
// aws/protocol looks them up.
package credentials

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/wick-run/wick"
)

// Credentials are one set, as the environment of a function has them.
type Credentials struct {
	AccessKeyID     string // ASIA and 16 letters or digits
	SecretAccessKey string // 40 characters
	SessionToken    string
	Expires         time.Time
}

// Identity is whom a set of credentials speaks for.
type Identity struct {
	Function wick.FunctionID
	Role     string
	Expires  time.Time
}

// Issuer makes and recognises credentials.
type Issuer struct {
	key []byte
	now func() time.Time
}

// New returns an issuer with a master key of at least 32 bytes.
func New(key []byte, now func() time.Time) (*Issuer, error) {
	if len(key) < 32 {
		return nil, fmt.Errorf("a credentials master key has at least 32 bytes, not %d", len(key))
	}
	return &Issuer{key: key, now: now}, nil
}

// Open returns an issuer whose master key is in a file, made if there is none.
func Open(file string, now func() time.Time) (*Issuer, error) {
	key, err := os.ReadFile(file) //nolint:gosec // the operator's data directory
	switch {
	case err == nil:
		return New(key, now)
	case !errors.Is(err, fs.ErrNotExist):
		return nil, err
	}
	key = make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return nil, err
	}
	if err := writeWhole(file, key); err != nil {
		return nil, err
	}
	return New(key, now)
}

// writeWhole writes a file so that after a crash it is there with all its bytes or
// not at all.
func writeWhole(file string, b []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), ".key-*")
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}

// claims is what a session token says; short names keep environments small.
type claims struct {
	Account string `json:"a"`
	Region  string `json:"r"`
	Name    string `json:"n"`
	Role    string `json:"o,omitempty"`
	Expires int64  `json:"e"` // seconds since the epoch
	Key     string `json:"k"`
}

// For issues credentials that speak for a function's role for a while.
func (i *Issuer) For(f *wick.Function, lasting time.Duration) (Credentials, error) {
	id := make([]byte, 10)
	if _, err := rand.Read(id); err != nil {
		return Credentials{}, err
	}
	c := Credentials{
		AccessKeyID: "ASIA" + base32.StdEncoding.EncodeToString(id),
		Expires:     i.now().Add(lasting),
	}
	c.SecretAccessKey = i.secret(c.AccessKeyID)
	body, err := json.Marshal(claims{f.Account, f.Region, f.Name, f.Role, c.Expires.Unix(), c.AccessKeyID})
	if err != nil {
		return Credentials{}, err
	}
	c.SessionToken = base64.RawURLEncoding.EncodeToString(body) + "." +
		base64.RawURLEncoding.EncodeToString(i.sum("token", body))
	return c, nil
}

// Secret returns the secret of an access key this issuer made, or might have made:
// whether it did is what the session token proves.
func (i *Issuer) Secret(accessKeyID string) (string, bool) {
	if len(accessKeyID) != 20 || !strings.HasPrefix(accessKeyID, "ASIA") {
		return "", false
	}
	return i.secret(accessKeyID), true
}

// Errors of Identify.
var (
	ErrInvalid = errors.New("the security token included in the request is invalid")
	ErrExpired = errors.New("the security token included in the request is expired")
)

// Identify returns whom a session token speaks for: ErrInvalid if it isn't ours or is
// another key's, ErrExpired if its time is over.
func (i *Issuer) Identify(accessKeyID, token string) (Identity, error) {
	b64, sig64, ok := strings.Cut(token, ".")
	if !ok {
		return Identity{}, ErrInvalid
	}
	body, err1 := base64.RawURLEncoding.DecodeString(b64)
	sig, err2 := base64.RawURLEncoding.DecodeString(sig64)
	if err1 != nil || err2 != nil || !hmac.Equal(sig, i.sum("token", body)) {
		return Identity{}, ErrInvalid
	}
	var c claims
	if err := json.Unmarshal(body, &c); err != nil || c.Key != accessKeyID {
		return Identity{}, ErrInvalid
	}
	id := Identity{
		Function: wick.FunctionID{Account: c.Account, Region: c.Region, Name: c.Name},
		Role:     c.Role, Expires: time.Unix(c.Expires, 0),
	}
	if !i.now().Before(id.Expires) {
		return Identity{}, ErrExpired
	}
	return id, nil
}

// Sign returns a signature over what belongs to a purpose, for links of Wick's own.
func (i *Issuer) Sign(purpose string, what []byte) []byte { return i.sum("link:"+purpose, what) }

func (i *Issuer) secret(accessKeyID string) string {
	return base64.StdEncoding.EncodeToString(i.sum("secret", []byte(accessKeyID))[:30])
}

func (i *Issuer) sum(purpose string, what []byte) []byte {
	h := hmac.New(sha256.New, i.key)
	h.Write([]byte(purpose + "\x00"))
	h.Write(what)
	return h.Sum(nil)
}
