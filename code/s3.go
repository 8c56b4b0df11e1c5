package code

import (
	"context"
	"errors"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/wick-run/wick"
)

// Object names a package in S3.
type Object struct {
	Bucket, Key string
	Version     string // S3ObjectVersion; "" for the newest
}

// Fetch stores a package that lies in S3. Its failures are AWS's: InvalidParameter
// with S3's own code and message, or a refusal that names the flag when no S3 is
// configured.
func (s *Store) Fetch(ctx context.Context, o Object) (wick.Package, error) {
	none := wick.Package{}
	if s.o.S3 == nil {
		return none, wick.Errorf(wick.NotBuilt,
			"S3Bucket needs an S3-compatible service: start Wick with --forward s3=URL, or send the package as ZipFile")
	}
	in := &s3.GetObjectInput{Bucket: &o.Bucket, Key: &o.Key}
	if o.Version != "" {
		in.VersionId = &o.Version
	}
	out, err := s.o.S3().GetObject(ctx, in)
	if err != nil {
		return none, fetchError(ctx, err)
	}
	defer out.Body.Close() // only read
	if aws.ToInt64(out.ContentLength) > MaxUnzippedBytes {
		return none, wick.Errorf(wick.InvalidParameter, "Unzipped size must be smaller than %d bytes", MaxUnzippedBytes)
	}
	p, err := s.put(ctx, out.Body, MaxUnzippedBytes)
	if wick.KindOf(err) == wick.RequestTooLarge {
		return none, wick.Errorf(wick.InvalidParameter, "Unzipped size must be smaller than %d bytes", MaxUnzippedBytes)
	}
	return p, err
}

// fetchError puts a failed GetObject into the words Lambda has for it.
func fetchError(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var api smithy.APIError
	if !errors.As(err, &api) {
		return &wick.Error{
			Kind: wick.InvalidParameter,
			Message: "Error occurred while GetObject. S3 Error Code: ServiceUnavailable. " +
				"S3 Error Message: the S3 service of --forward s3=URL can't be reached",
			Cause: err,
		}
	}
	code, message := api.ErrorCode(), api.ErrorMessage()
	// A service that sends no error document leaves only the status to tell by.
	var http404 *smithyhttp.ResponseError
	if message == "" && errors.As(err, &http404) && http404.HTTPStatusCode() == http.StatusNotFound {
		code, message = "NoSuchKey", "The specified key does not exist."
	}
	return &wick.Error{
		Kind:    wick.InvalidParameter,
		Message: "Error occurred while GetObject. S3 Error Code: " + code + ". S3 Error Message: " + message,
		Cause:   err,
	}
}

// NewS3 returns a function for Options.S3: a client for an S3-compatible endpoint
// that names buckets in the path, as such services expect, signing with the given
// key and secret.
func NewS3(endpoint, region, key, secret string) func() *s3.Client {
	c := s3.New(s3.Options{
		BaseEndpoint: &endpoint,
		Region:       region,
		UsePathStyle: true,
		Credentials: aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
			return aws.Credentials{AccessKeyID: key, SecretAccessKey: secret}, nil
		}),
	})
	return func() *s3.Client { return c }
}
