package protocol

import (
	"reflect"
	"time"
)

// appendCBORStruct writes a structure as a map of the members that are set.
func appendCBORStruct(b []byte, c *codec, v reflect.Value) []byte {
	n := 0
	for i := range c.fields {
		if !c.fields[i].absent(v.Field(c.fields[i].index)) {
			n++
		}
	}
	b = appendCBORHead(b, cborMap, uint64(n))
	for i := range c.fields {
		f := &c.fields[i]
		if value := v.Field(f.index); !f.absent(value) {
			b = appendCBORText(b, f.member.WireName)
			b = appendCBORValue(b, f.codec, value)
		}
	}
	return b
}

func appendCBORValue(b []byte, c *codec, v reflect.Value) []byte {
	const (
		null  = cborSimple<<5 | 22
		no    = cborSimple<<5 | 20
		yes   = cborSimple<<5 | 21
		epoch = cborTag<<5 | 1
	)
	if c.pointer {
		if v.IsNil() { // in a list or map
			return append(b, null)
		}
		v = v.Elem()
	}
	switch c.kind {
	case kindString:
		return appendCBORText(b, v.String())
	case kindBool:
		if v.Bool() {
			return append(b, yes)
		}
		return append(b, no)
	case kindInt:
		if n := v.Int(); n < 0 {
			return appendCBORHead(b, cborNegative, uint64(-(n + 1)))
		}
		return appendCBORHead(b, cborUint, uint64(v.Int()))
	case kindFloat:
		return appendCBORFloat(b, v.Float())
	case kindBlob:
		return append(appendCBORHead(b, cborBytes, uint64(v.Len())), v.Bytes()...)
	case kindTime:
		t, _ := v.Interface().(time.Time) // kindTime says so
		return appendCBORFloat(append(b, epoch), float64(t.UnixMilli())/1000)
	case kindList:
		b = appendCBORHead(b, cborArray, uint64(v.Len()))
		for i := range v.Len() {
			b = appendCBORValue(b, c.element, v.Index(i))
		}
		return b
	case kindMap:
		b = appendCBORHead(b, cborMap, uint64(v.Len()))
		for _, k := range sortedKeys(v) {
			b = appendCBORText(b, k.String())
			b = appendCBORValue(b, c.element, v.MapIndex(k))
		}
		return b
	}
	return appendCBORStruct(b, c, v)
}
