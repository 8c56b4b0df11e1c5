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
// read. Where the length is known the last bytes are held back if they make it
// another body, so that a reader who stops at the length learns of it too.
type checkedBody struct {
	body io.ReadCloser
	sum  hash.Hash
	want string
	left int64 // bytes to come, or negative when not known
}

func (b *checkedBody) Read(p []byte) (int, error) {
	n, err := b.body.Read(p)
	b.sum.Write(p[:n])
	known := b.left >= 0
	b.left -= int64(n)
	if (errors.Is(err, io.EOF) || known && b.left <= 0) && hex.EncodeToString(b.sum.Sum(nil)) != b.want {
		return 0, invalid("The value for the header '%s' does not match the hash of the body.", contentHashField)
	}
	return n, err
}

func (b *checkedBody) Close() error { return b.body.Close() }
