package protocol

import (
	"encoding/base64"
	"encoding/binary"
	"math"
	"strconv"
)

// cborReader turns a CBOR document into JSON: that has one way to say what CBOR has
// several for, and a decoder that knows the model. Timestamps become seconds, bytes
// base64, and the floats JSON lacks strings, as AWS's JSON protocols have them.
// Source: RFC 8949; Smithy RPC v2 CBOR protocol.
type cborReader struct {
	in, out []byte
	depth   int
}

// Major types of CBOR.
const (
	cborUint = iota
	cborNegative
	cborBytes
	cborText
	cborArray
	cborMap
	cborTag
	cborSimple
)

const (
	// cborIndefinite is the additional information of what ends with a break.
	cborIndefinite = 31
	cborBreak      = 0xff
	// cborMaxDepth bounds nesting; no input of the models comes near.
	cborMaxDepth = 64
)

var errCBOR = serialization("Could not parse request body into cbor")

// cborToJSON returns the JSON of a document; nothing is as good as an empty map.
func cborToJSON(in []byte) ([]byte, error) {
	if len(in) == 0 {
		return nil, nil
	}
	r := cborReader{in: in, out: make([]byte, 0, len(in)+len(in)/2)}
	if err := r.item(); err != nil {
		return nil, err
	}
	if len(r.in) > 0 {
		return nil, errCBOR
	}
	return r.out, nil
}

// head reads an item's first bytes: its major type, its additional information and the
// argument that this says.
func (r *cborReader) head() (major, info byte, arg uint64, err error) {
	if len(r.in) == 0 {
		return 0, 0, 0, errCBOR
	}
	major, info = r.in[0]>>5, r.in[0]&31
	r.in = r.in[1:]
	if info < 24 {
		return major, info, uint64(info), nil
	}
	if info == cborIndefinite {
		return major, info, 0, nil
	}
	if info > 27 {
		return 0, 0, 0, errCBOR
	}
	n := 1 << (info - 24)
	if len(r.in) < n {
		return 0, 0, 0, errCBOR
	}
	for _, b := range r.in[:n] {
		arg = arg<<8 | uint64(b)
	}
	r.in = r.in[n:]
	return major, info, arg, nil
}

// item writes one item.
func (r *cborReader) item() error {
	if r.depth++; r.depth > cborMaxDepth {
		return serialization("The document is nested too deeply")
	}
	defer func() { r.depth-- }()
	major, info, arg, err := r.head()
	if err != nil {
		return err
	}
	indefinite := info == cborIndefinite
	switch major {
	case cborUint:
		if indefinite {
			return errCBOR
		}
		r.out = strconv.AppendUint(r.out, arg, 10)
	case cborNegative:
		if indefinite {
			return errCBOR
		}
		r.out = append(r.out, '-')
		if arg == math.MaxUint64 { // -2^64, one more than 64 bits hold
			r.out = append(r.out, "18446744073709551616"...)
		} else {
			r.out = strconv.AppendUint(r.out, arg+1, 10)
		}
	case cborBytes:
		b, err := r.text(cborBytes, arg, indefinite)
		if err != nil {
			return err
		}
		r.out = append(r.out, '"')
		r.out = base64.StdEncoding.AppendEncode(r.out, b)
		r.out = append(r.out, '"')
	case cborText:
		b, err := r.text(cborText, arg, indefinite)
		if err != nil {
			return err
		}
		r.out = appendString(r.out, string(b))
	case cborArray:
		return r.container('[', ']', arg, indefinite, r.item)
	case cborMap:
		return r.container('{', '}', arg, indefinite, r.entry)
	case cborTag:
		// A timestamp is tag 1 on a number. What other tags say of their content no
		// input needs to know, and AWS ignores them.
		if indefinite {
			return errCBOR
		}
		return r.item()
	case cborSimple:
		return r.simple(info, arg)
	}
	return nil
}

// text reads a string's bytes.
func (r *cborReader) text(major byte, n uint64, indefinite bool) ([]byte, error) {
	if !indefinite {
		if n > uint64(len(r.in)) {
			return nil, errCBOR
		}
		b := r.in[:n]
		r.in = r.in[n:]
		return b, nil
	}
	var all []byte
	for {
		if len(r.in) > 0 && r.in[0] == cborBreak {
			r.in = r.in[1:]
			return all, nil
		}
		m, info, n, err := r.head()
		if err != nil || m != major || info == cborIndefinite || n > uint64(len(r.in)) {
			return nil, errCBOR
		}
		all = append(all, r.in[:n]...)
		r.in = r.in[n:]
	}
}

// container writes the items of an array or the entries of a map.
func (r *cborReader) container(open, end byte, n uint64, indefinite bool, one func() error) error {
	if !indefinite && n > uint64(len(r.in)) { // each takes a byte at least
		return errCBOR
	}
	r.out = append(r.out, open)
	for i := uint64(0); indefinite || i < n; i++ {
		if indefinite && len(r.in) > 0 && r.in[0] == cborBreak {
			r.in = r.in[1:]
			break
		}
		if i > 0 {
			r.out = append(r.out, ',')
		}
		if err := one(); err != nil {
			return err
		}
	}
	r.out = append(r.out, end)
	return nil
}

// entry writes a map's key, which is text, and its value.
func (r *cborReader) entry() error {
	if len(r.in) == 0 || r.in[0]>>5 != cborText {
		return errCBOR
	}
	if err := r.item(); err != nil {
		return err
	}
	r.out = append(r.out, ':')
	return r.item()
}

// simple writes a boolean, null or a float.
func (r *cborReader) simple(info byte, arg uint64) error {
	var f float64
	switch info {
	case 20, 21:
		r.out = strconv.AppendBool(r.out, info == 21)
		return nil
	case 22, 23: // null, undefined
		r.out = append(r.out, "null"...)
		return nil
	case 25:
		f = halfFloat(uint16(arg)) // head read two bytes
	case 26:
		f = float64(math.Float32frombits(uint32(arg)))
	case 27:
		f = math.Float64frombits(arg)
	default:
		return errCBOR
	}
	switch {
	case math.IsNaN(f):
		r.out = append(r.out, `"NaN"`...)
	case math.IsInf(f, 1):
		r.out = append(r.out, `"Infinity"`...)
	case math.IsInf(f, -1):
		r.out = append(r.out, `"-Infinity"`...)
	default:
		r.out = strconv.AppendFloat(r.out, f, 'g', -1, 64)
	}
	return nil
}

// halfFloat widens an IEEE 754 half-precision number. Source: RFC 8949, appendix D.
func halfFloat(h uint16) float64 {
	exponent, mantissa := int(h>>10&31), float64(h&1023)
	var f float64
	switch exponent {
	case 0:
		f = math.Ldexp(mantissa, -24)
	case 31:
		if f = math.Inf(1); mantissa != 0 {
			f = math.NaN()
		}
	default:
		f = math.Ldexp(mantissa+1024, exponent-25)
	}
	if h>>15 == 1 {
		return -f
	}
	return f
}

// appendCBORHead appends a major type with its argument.
func appendCBORHead(b []byte, major byte, n uint64) []byte {
	major <<= 5
	switch {
	case n < 24:
		return append(b, major|byte(n))
	case n < 1<<8:
		return append(b, major|24, byte(n))
	case n < 1<<16:
		return binary.BigEndian.AppendUint16(append(b, major|25), uint16(n))
	case n < 1<<32:
		return binary.BigEndian.AppendUint32(append(b, major|26), uint32(n))
	}
	return binary.BigEndian.AppendUint64(append(b, major|27), n)
}

func appendCBORFloat(b []byte, f float64) []byte {
	return binary.BigEndian.AppendUint64(append(b, cborSimple<<5|27), math.Float64bits(f))
}
