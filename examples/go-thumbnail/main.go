// A function that makes pictures small: {"image": base64 of a JPEG, PNG or GIF, "width":
// pixels} becomes {"image": base64 of a PNG, "width", "height"}.
package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	_ "image/gif" // read it, too
	_ "image/jpeg"
	"image/png"

	"github.com/aws/aws-lambda-go/lambda"
)

type picture struct {
	Image  []byte `json:"image"` // base64 in JSON
	Width  int    `json:"width"`
	Height int    `json:"height"`
}

func thumbnail(_ context.Context, in picture) (picture, error) {
	src, format, err := image.Decode(bytes.NewReader(in.Image))
	if err != nil {
		return picture{}, err
	}
	from := src.Bounds()
	if in.Width < 1 || in.Width > from.Dx() {
		return picture{}, errors.New("width must be between 1 and the picture's own")
	}
	height := max(1, from.Dy()*in.Width/from.Dx())
	dst := image.NewRGBA(image.Rect(0, 0, in.Width, height))
	for y := range height {
		for x := range in.Width {
			dst.Set(x, y, average(src, image.Rect(
				from.Min.X+x*from.Dx()/in.Width, from.Min.Y+y*from.Dy()/height,
				from.Min.X+(x+1)*from.Dx()/in.Width, from.Min.Y+max(y*from.Dy()/height+1, (y+1)*from.Dy()/height))))
		}
	}
	var out bytes.Buffer
	if err := png.Encode(&out, dst); err != nil {
		return picture{}, err
	}
	fmt.Printf("%s %dx%d became %dx%d\n", format, from.Dx(), from.Dy(), in.Width, height)
	return picture{out.Bytes(), in.Width, height}, nil
}

// average returns the mean colour of a part of src.
func average(src image.Image, part image.Rectangle) color.Color {
	var r, g, b, a, n uint32
	for y := part.Min.Y; y < part.Max.Y; y++ {
		for x := part.Min.X; x < part.Max.X; x++ {
			pr, pg, pb, pa := src.At(x, y).RGBA()
			r, g, b, a, n = r+pr>>8, g+pg>>8, b+pb>>8, a+pa>>8, n+1
		}
	}
	return color.RGBA{uint8(r / n), uint8(g / n), uint8(b / n), uint8(a / n)}
}

func main() { lambda.Start(thumbnail) }
