module github.com/wick-run/wick/test/endurance/testdata/mingled/go

go 1.26

require github.com/aws/aws-lambda-go v1.55.1
