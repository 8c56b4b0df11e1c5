module github.com/wick-run/wick/test/runtimes/testdata/provided

go 1.26

require github.com/aws/aws-lambda-go v1.55.1
