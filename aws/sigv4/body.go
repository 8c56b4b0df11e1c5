package sigv4

import (
	"encoding/hex"
	"errors"
	"hash"
	"io"
)

// replayed is a body that was read once and is read again from memory.
type replayed struct {
	io.Reader
	close func() error
}

func (b *replayed) Close() error { return b.close() }

// checkedBody compares a body with the hash its signer vouched for, while it is
// read: the mismatch is the error at its end.
type checkedBody struct {
	body io.ReadCloser
	sum  hash.Hash
	want string
}

func (b *checkedBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	b.sum.Write(p[:n])
	if errors.Is(err, io.EOF) && hex.EncodeToString(b.sum.Sum(nil)) != b.want {
		return n, invalid("The value for the header '%s' does not match the hash of the body.", contentHashField)
	}
	return n, err
}

func (b *checkedBody) Close() error { return b.body.Close() }
